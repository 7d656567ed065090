"""Composition only: builds the parts, joins them, starts the processes."""
