"""Keepwell: a multi-tenant health-information backend that keeps what it is told, proves it, and watches itself."""
