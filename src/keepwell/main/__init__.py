"""Composition: what a process is made of, how it serves, and the command line."""
