"""Discord, through the real client."""
