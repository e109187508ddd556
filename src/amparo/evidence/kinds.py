"""Temporary: helper A writes this module."""


def media_type(head: bytes, name: str = "") -> str:  # noqa: ARG001
    """The IANA type."""
    return "application/pdf" if head.startswith(b"%PDF") else "application/octet-stream"
