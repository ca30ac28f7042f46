"""One behaviour on every platform: the same suite for each, through what a person sees and does there."""
