"""Proofs over what is stored: signed Merkle checkpoints, verification of the journal, and state rebuilt from it."""
