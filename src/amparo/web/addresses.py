"""Addresses: the parts that look like handles, and those of drawings: what is shown now, with something changed.

Invariant: an address is made of what the page itself accepts; an empty value is left out.
"""

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from starlette.convertors import Convertor, register_url_convertor


class HandleConvertor(Convertor[str]):
    """A part of an address that looks like a handle."""

    regex = "[A-Z]-[0-9-]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("handle", HandleConvertor())


def linking(path: str, asked: Mapping[str, str]) -> Callable[..., str]:
    """For templates: the same address with some values changed (``start`` stands for ``from``), on its first page."""

    def to(**changed: object) -> str:
        values = {**asked, **{"from" if name == "start" else name: str(value) for name, value in changed.items()}}
        query = urlencode({name: value for name, value in values.items() if value}, safe="/")
        return f"{path}?{query}" if query else path

    return to
