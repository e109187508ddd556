"""Readers of hostile files. They run inside ``evidence.sandbox`` and nowhere else; each module is one reader."""
