"""The nouns of this room: channels, how far each incident was followed, and what is told on which channel."""
