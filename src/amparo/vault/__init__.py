"""Keys, compartments, sealed blobs, the encrypted database: the only home of cryptography and of SQL drivers."""
