"""The whole program as a process, between local servers that speak the real protocols."""
