"""Dossiers: a manifest composed from the views, laid out as a court-ready PDF. Reads the record, writes nothing to it."""
