"""Every sentence a user reads passes through ``_`` here; the source language is English.

Catalogues are ``amparo/locale/<language>/LC_MESSAGES/amparo.po``, read as they are (no compiled twin can be out of date). A
missing catalogue or sentence falls back to English. The language is that of the environment, or for one task (a page asked
for by a browser) the one ``speaking`` sets.
"""

import gettext
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Final

_LOCALE: Final = Path(__file__).parent.parent / "locale"
_language: ContextVar[str] = ContextVar("language", default="")
_RIGHT_TO_LEFT: Final = ("ar", "fa", "he", "ur")


def languages() -> list[str]:
    """The languages there are catalogues for, English first."""
    return ["en", *sorted(path.parent.parent.name for path in _LOCALE.glob("*/LC_MESSAGES/amparo.po"))]


@cache
def _environment() -> str:
    wished = next((os.environ[name] for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    known = languages()
    return next((code for word in wished.split(":") if (code := word.partition(".")[0].partition("_")[0]) in known), "en")


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The translations into ``language``; those that change nothing where there is no catalogue."""
    path = _LOCALE / language / "LC_MESSAGES" / "amparo.po"
    if not path.is_file():
        return gettext.NullTranslations()
    from babel.messages import mofile, pofile

    compiled = io.BytesIO()
    with path.open("rb") as file:
        mofile.write_mo(compiled, pofile.read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Within this block, and the task it is part of, sentences are in ``language``."""
    before = _language.set(language)
    try:
        yield
    finally:
        _language.reset(before)


def language() -> str:
    """The code of the language sentences are in now: ``en``, ``ru``, ``ar``."""
    return _language.get() or _environment()


def leftward() -> bool:
    """True if the reader's language is written from right to left."""
    return language() in _RIGHT_TO_LEFT


def _(message: str) -> str:
    """Translate ``message`` into the user's language."""
    return catalogue(language()).gettext(message) if message else ""


def ngettext(one: str, many: str, n: int) -> str:
    """Translate a sentence with a number in it."""
    return catalogue(language()).ngettext(one, many, n)


def N_(message: str) -> str:
    """Mark ``message`` for translation where it is stored, to be translated where it is shown."""
    return message
