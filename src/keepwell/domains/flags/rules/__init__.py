"""What may happen to a flag, how a roll-out moves, and what a flag is for whom. Pure."""
