"""The command line: parse, call ``app``, show. No decisions are made here."""
