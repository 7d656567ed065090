"""What keyed indexes of FHIR's identifying values are made of, so that every room that finds by one makes it alike."""


def identifier_token(system: str | None, value: str) -> str:
    """Of an identifier's system, empty where it has none, and value; or of the value alone."""
    return f"identifier:{value}" if system is None else f"identifier:{system}|{value}"
