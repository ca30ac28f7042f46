"""Local servers that speak the real protocols over loopback, for the real clients."""
