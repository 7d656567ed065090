"""Checks of monitors: each made at its instant and stored once, and what they mean for the monitor decided once."""
