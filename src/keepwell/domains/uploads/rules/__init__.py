"""What columns mean, and the one form of each value. Pure."""
