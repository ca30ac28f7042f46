"""Where models live; one module or package for each vendor."""
