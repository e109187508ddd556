"""Web captures: what the user's own browser was sent and showed, as one WACZ file; and looking at it again off line."""
