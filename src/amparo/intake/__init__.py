"""Tables and interviews in, checked records out. Knows neither ledger nor vault: what it yields, others write."""
