"""What votes of regions say of a monitor, how long it was up, and what may be asked for. Pure."""
