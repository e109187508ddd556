"""Amparo: testimony and evidence from first contact to courtroom, without exposing the people who speak."""

__version__ = "0.1.0"
