"""What a form sent, read with limits.

Invariant: no part of a form is ever written to the disk; one with too many fields is refused before it is understood.
"""

import re
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_

_FIELDS: Final = 400
_TYPE: Final = "application/x-www-form-urlencoded"


_PATH: Final = re.compile(r"(/[A-Za-z0-9_-]+)+", re.ASCII)


_UNSEEN: Final = dict.fromkeys((*(n for n in range(32) if n not in (9, 10, 13)), 0x7F, 0x202D, 0x202E))
"""Characters that nobody types and that make words look like others: controls, and overrides of direction. Left out."""


class NotAForm(BadInput):
    template = N_("What arrived is not a form of this page; go back, reload the page and try again. Nothing was changed.")


class Form:
    """The fields of one form; a field that was not sent is empty."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in pairs:
            self._fields.setdefault(name, []).append(value.replace("\r\n", "\n").translate(_UNSEEN))

    def __getitem__(self, name: str) -> str:
        """The field's text without blanks around it."""
        return self._fields.get(name, [""])[-1].strip()

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def all(self, name: str) -> list[str]:
        """Every value of a field that may be sent several times, without empty ones."""
        return [value.strip() for value in self._fields.get(name, []) if value.strip()]

    def values(self) -> dict[str, str]:
        """Field -> last value: to show a form again as it was typed."""
        return {name: values[-1] for name, values in self._fields.items()}


def path_here(text: str) -> str:
    """A path of this server to go back to, which nobody can bend into another server's address; "/" for anything else."""
    return text if _PATH.fullmatch(text) else "/"


async def read(request: Request) -> Form:
    """The form a request carries. Raises NotAForm."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise NotAForm
    try:
        body = (await request.body()).decode("ascii")
        return Form(parse_qsl(body, keep_blank_values=True, max_num_fields=_FIELDS, errors="strict"))
    except ValueError:
        raise NotAForm from None
