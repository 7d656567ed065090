"""How keys look, what may happen to them, and what is unusual for one. Pure."""
