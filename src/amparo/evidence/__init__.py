"""The evidence room: files in, read without trust, and proven to others. See docs/architecture.md."""
