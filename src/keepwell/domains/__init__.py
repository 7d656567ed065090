"""The rooms: one folder a capability, each with the same furniture."""
