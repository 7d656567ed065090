"""What can go wrong with the embedded servers."""


class EmbeddedStartError(Exception):
    """The embedded servers cannot be started or reached. The message says why, and what to do."""
