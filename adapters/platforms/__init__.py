"""Where people talk; one module or package for each platform."""
