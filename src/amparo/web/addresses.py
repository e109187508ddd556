"""Addresses of drawings: what is shown now, with something changed.

Invariant: an address is made of what the page itself accepts; an empty value is left out.
"""

from collections.abc import Callable, Mapping
from urllib.parse import urlencode


def linking(path: str, asked: Mapping[str, str]) -> Callable[..., str]:
    """For templates: the same address with some values changed (``start`` stands for ``from``), on its first page."""

    def to(**changed: object) -> str:
        values = {**asked, **{"from" if name == "start" else name: str(value) for name, value in changed.items()}}
        query = urlencode({name: value for name, value in values.items() if value}, safe="/")
        return f"{path}?{query}" if query else path

    return to
