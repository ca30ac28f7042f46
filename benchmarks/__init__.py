"""Scripts that measure: speed as ratios within one run, quality on labelled data."""
