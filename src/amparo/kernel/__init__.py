"""Ids, partial dates, canonical encoding, errors: the words every other room shares. Imports nothing of ours."""
