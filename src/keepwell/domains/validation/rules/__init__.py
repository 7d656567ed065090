"""What a form asks of its answers, and whether a response gives it. Pure."""
