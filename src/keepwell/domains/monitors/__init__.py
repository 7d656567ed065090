"""Monitors: what is watched, how, and when nothing is held against it; what an answer is worth."""
