"""Noticing, without input or output: what is usual, how surprising a value is, and whether surprises come close together."""
