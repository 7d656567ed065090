"""What may happen to incidents, and what is written about them afterwards."""
