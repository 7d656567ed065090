"""What holds of monitors. Pure: no clock, no network, no files."""
