"""One function for each act of a user; permission and consent are decided here."""
