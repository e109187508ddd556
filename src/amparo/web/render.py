"""Pages out of templates: escaped, strict about what is missing, in the reader's language.

Invariant: nothing a user or a source wrote reaches a page unescaped; there is no ``|safe`` and no script or style in a page.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import jinja2
from babel import Locale
from babel.dates import format_datetime
from babel.numbers import format_decimal
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from amparo import __version__
from amparo.app.desk_work import DONE
from amparo.kernel import i18n, ids
from amparo.record import vocabulary

_HERE: Final = Path(__file__).parent
LANGUAGE_COOKIE: Final = "language"


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.i18n"],
    )  # fmt: skip
    made.install_gettext_callables(i18n._, i18n.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.filters |= {"number": number, "moment": moment, "term": term, "property": property_label, "kind": kind_label}
    made.filters |= {"done": done, "word": word, "grouped": grouped}
    made.tests["handle"] = ids.is_handle
    made.globals["version"] = __version__
    return made


def grouped(rows: Sequence[Mapping[str, Any]], name: str) -> list[tuple[Any, list[tuple[int, Mapping[str, Any]]]]]:
    """Rows by one of their values, in the order they come, each with its place in the whole list."""
    found: dict[Any, list[tuple[int, Mapping[str, Any]]]] = {}
    for at, row in enumerate(rows):
        found.setdefault(row[name], []).append((at, row))
    return list(found.items())


def number(value: float) -> str:
    """A number as the reader's language writes it."""
    return _number(value, i18n.language())


@lru_cache(4096)
def _number(value: float, language: str) -> str:
    return format_decimal(value, locale=Locale.parse(language))


def moment(ms: int) -> str:
    """A time of this device's clock (ms since 1970) in UTC, as the reader's language writes it; "" for none."""
    from datetime import UTC, datetime

    return format_datetime(datetime.fromtimestamp(ms / 1000, UTC), "y-MM-dd HH:mm 'UTC'", locale=_locale()) if ms else ""


def term(value: str, property: str) -> str:
    """A claim's value as a reader reads it: the label of its term, else as it stands."""
    known = vocabulary.load().property(property)
    if known is not None and known.value.startswith("term:"):
        return vocabulary.load().label(known.value[5:], value)
    return value


def word(id: str, vocabulary_name: str) -> str:
    """A term of a vocabulary as a reader reads it."""
    return vocabulary.load().label(vocabulary_name, id)


def property_label(id: str) -> str:
    """What a property is called."""
    return vocabulary.load().property_label(id)


def done(type: str) -> str:
    """What rows of a type are called in the log."""
    return i18n._(DONE.get(type, type))


def kind_label(kind: str) -> str:
    """What a kind of thing is called."""
    return i18n._(KIND_LABELS.get(kind, kind))


KIND_LABELS: Final = {
    "person": i18n.N_("Person"), "group": i18n.N_("Group"), "place": i18n.N_("Place"), "event": i18n.N_("Event"),
    "act": i18n.N_("Act"), "involvement": i18n.N_("Involvement"), "source": i18n.N_("Source"), "passage": i18n.N_("Passage"),
    "intervention": i18n.N_("Intervention"), "proceeding": i18n.N_("Proceeding"), "measure": i18n.N_("Measure"),
    "position": i18n.N_("Position"), "claim": i18n.N_("Claim"), "link": i18n.N_("Link"),
    "assessment": i18n.N_("Assessment"), "item": i18n.N_("Item"), "consent": i18n.N_("Consent"),
}  # fmt: skip


def _locale() -> Locale:
    return Locale.parse(i18n.language())


TEMPLATES: Final = _environment()


def language_of(request: Request) -> str:
    """The language a page is shown in: as chosen on a page, else the browser's, else the system's."""
    known = i18n.languages()
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    wished = [chosen, *(word.partition(";")[0].partition("-")[0].strip() for word in
                        request.headers.get("accept-language", "").split(","))]  # fmt: skip
    return next((code for code in wished if code in known), i18n.language())


def page(request: Request, name: str, values: Mapping[str, Any] | None = None, *, status: int = 200) -> Response:
    """A page from ``templates/<name>.html``."""
    desk = request.app.state.desk
    shown = {
        "request": request, "path": request.url.path, "demo": desk.demo, "open": desk.open, "language": i18n.language(),
        "languages": i18n.languages(), "direction": "rtl" if i18n.leftward() else "ltr",
        **(values or {}),
    }  # fmt: skip
    return HTMLResponse(TEMPLATES.get_template(f"{name}.html").render(shown), status)


def page_number(request: Request) -> int:
    """Which page of many is asked for, from 1."""
    number = request.query_params.get("page", "1")
    return max(1, int(number)) if number.isdecimal() and number.isascii() and len(number) < 6 else 1


def see(path: str) -> Response:
    """After a form was taken: look there (so that going back or reloading never sends a form twice)."""
    return RedirectResponse(path, 303)
