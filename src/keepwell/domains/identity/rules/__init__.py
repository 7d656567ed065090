"""What may happen to accounts and sessions, and what people may do. Pure."""
