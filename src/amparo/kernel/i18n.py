"""Every sentence a user reads passes through ``_`` here; the source language is English.

Catalogues lie in ``amparo/locale/<lang>/LC_MESSAGES/amparo.mo``; a missing one falls back to English.
"""

import gettext
from pathlib import Path

_translations = gettext.translation("amparo", Path(__file__).parent.parent / "locale", fallback=True)


def _(message: str) -> str:
    """Translate ``message`` into the user's language (environment LANGUAGE, LC_ALL, LC_MESSAGES, LANG)."""
    return _translations.gettext(message)


def ngettext(one: str, many: str, n: int) -> str:
    """Translate a sentence with a number in it."""
    return _translations.ngettext(one, many, n)


def N_(message: str) -> str:
    """Mark ``message`` for translation where it is stored, to be translated where it is shown."""
    return message
