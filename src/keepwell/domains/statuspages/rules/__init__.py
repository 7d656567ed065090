"""What may happen to a status page, and what everybody sees of it. Pure."""
