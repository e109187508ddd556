"""Waves, patterns, chains of command, estimates of the unseen: numbers in, numbers with their uncertainty out.

The mathematics here reads no file, no clock and no ledger: it takes arrays and a seed, and the same seed gives the same
figures.
"""
