"""Signed append-only entries: append, verify, replay. Knows no word of the domain."""
