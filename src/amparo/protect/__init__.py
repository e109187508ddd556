"""Nothing leaves but through the gate (``protect.gate``): sealed names, consents, small counts, metadata. Fails closed."""
