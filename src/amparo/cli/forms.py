"""Forms: an interview asked step by step on the terminal, or read from YAML."""

from collections.abc import Callable, Iterable
from typing import Any

import click
import yaml

from amparo.app.session import stop_asked
from amparo.cli.common import read_text
from amparo.kernel import dates
from amparo.kernel.errors import BadDate, BadInput
from amparo.kernel.i18n import N_, _
from amparo.kernel.text import script_of
from amparo.record.model import AUDIENCES, PURPOSES, Identity, Name

_MAX_FORM = 1 << 20


class BadForm(BadInput):
    template = N_("The form is not YAML that Amparo can read ({why}); the guide docs/guide/first-steps.md shows one.")


class BadField(BadInput):
    template = N_(
        "The field “{field}” of the form {why}; docs/guide/first-steps.md shows a whole form. Nothing was registered."
    )


class BadPair(BadInput):
    template = N_("What follows {option} must be KIND=VALUE, for example {example}; nothing was registered.")


def _is_pair(value: object) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(item, str) for item in value)


_PERSON_FIELDS = ("names", "aliases", "contacts", "documents", "birth", "note")


def identity_from(form: dict[str, Any]) -> Identity:
    """The person of a form, or of the same fields from options. Raises BadField; no word of a name is in the sentence."""
    for field in form:
        if field not in _PERSON_FIELDS:
            raise BadField(field=field, why=_("is none of: {list}").format(list=", ".join(_PERSON_FIELDS)))

    def texts(field: str) -> list[str]:
        value = form.get(field) or []
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item.strip() for item in value):
            raise BadField(field=field, why=_("is no list of texts"))
        return [item.strip() for item in value]

    def pairs(field: str) -> list[list[str]]:
        value = form.get(field) or {}
        found = [list(pair) for pair in value.items()] if isinstance(value, dict) else value
        if not isinstance(found, list) or not all(map(_is_pair, found)):
            raise BadField(field=field, why=_("is no list of kinds and values, such as “telephone: 123”"))
        return found

    def text(field: str) -> str:
        value = form.get(field) or ""
        if not isinstance(value, str):
            raise BadField(field=field, why=_("is no text"))
        return value

    names = [
        Name(name, kind, script_of(name)) for kind, field in (("name", "names"), ("alias", "aliases")) for name in texts(field)
    ]
    return Identity("", names, pairs("contacts"), pairs("documents"), text("birth"), text("note"))


def split_pairs(texts: Iterable[str], option: str, example: str) -> list[list[str]]:
    """``KIND=VALUE`` of an option as pairs. Raises BadPair."""
    found = [[part.strip() for part in text.split("=", 1)] for text in texts]
    if not all(len(pair) == 2 and all(pair) for pair in found):
        raise BadPair(option=option, example=example)
    return found


def read_form(stream: Any) -> dict[str, Any]:
    """Read a YAML mapping of at most 1 MiB without aliases. Raises NotText, BadForm; never repeats the form's words."""
    text = read_text(stream, _MAX_FORM)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise BadForm(
                    why=_("it uses an alias, line {line}").format(line=event.start_mark.line + 1 if event.start_mark else "?")
                )
        form = yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506  every scalar stays text: a date is no object
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise BadForm(why=_("line {line}").format(line=mark.line + 1 if mark else "?")) from None
    if not isinstance(form, dict):
        raise BadForm(why=_("it is not a list of fields and values"))
    return form


def ask_interview() -> dict[str, Any]:
    """Ask for an interview on the terminal, in the order of a conversation. An empty claim ends it.

    Dates and choices are checked as they are typed, so that no later refusal costs what was written down.
    """
    form: dict[str, Any] = {
        "rights_explained": _ask(_("Were rights, risks and the use of the record explained, and how?")),
        "date": _ask(_("Date of the conversation (e.g. 2026-11-30; empty if unknown)"), check=_date),
        "interviewer": _ask(_("Who asks (a role or a code, no name)")),
        "language": _ask(_("Language (e.g. ru)")),
        "interpreter": _ask(_("Interpreter (a code, or none)"), "none"),
        "persons_present": _ask(_("Who else was present"), "nobody"),
        "place": _ask(_("Where, vaguely (e.g. a town abroad)")),
        "claims": [],
    }
    click.echo(
        _("\nNow what was said, one sentence at a time, in the person's words; handles instead of names.\n"
          "Enter alone ends it; Ctrl-C asks, then leaves without recording anything."), err=True,
    )  # fmt: skip
    while text := _ask(_("Sentence {number}").format(number=len(form["claims"]) + 1)):
        form["claims"].append(
            {"text": text, "valid": _ask(_("  When was that (2017, 2017-03, about 2017; empty if unknown)"), check=_date)}
        )
    if form["claims"]:
        form["consent"] = _ask_consent()
    return form


def ask_again(number: int) -> str:
    """Ask for sentence ``number`` anew."""
    return _ask(_("Sentence {number}, again").format(number=number))


def ask_field_again(field: str) -> str:
    """Ask for another field anew."""
    return _ask(_("{field}, again").format(field=field.replace("_", " ").capitalize()))


def _ask_consent() -> dict[str, Any]:
    purposes, audiences = ("; ".join(choices) for choices in (PURPOSES, AUDIENCES))
    click.echo(_("\nWhat does the person allow? Several are separated by ; and Enter alone means none."), err=True)
    allowed = _ask(_("For which purposes ({choices})").format(choices=purposes), check=_among(PURPOSES))
    if not allowed:
        return {}
    return {
        "purposes": allowed,
        "audiences": _ask(_("For which audiences ({choices})").format(choices=audiences), check=_among(AUDIENCES)),
        "until": _ask(_("Until when (e.g. 2031; empty for no end)"), check=_date),
        "how": _ask(_("How was it given (in writing, recorded, by message)")),
    }


def _ask(question: str, default: str = "", check: Callable[[str], str] = str.strip) -> str:
    """One answer; ``check`` returns it as it is kept, or raises click.UsageError and the question is asked again."""
    while True:
        try:
            return str(click.prompt(question, default=default, show_default=bool(default), value_proc=check, err=True))
        except click.Abort:  # Ctrl-C, perhaps meant to copy; a second one leaves
            click.echo(err=True)
            if click.confirm(_("Leave without recording anything?"), default=False, err=True):
                raise
            stop_asked.clear()


def _date(text: str) -> str:
    try:
        return dates.parse(text.strip()).text if text.strip() else ""
    except BadDate as error:
        raise click.UsageError(str(error)) from None


def _among(choices: Iterable[str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        for item in filter(None, map(str.strip, text.split(";"))):
            if item not in choices:
                raise click.UsageError(_("“{item}” is none of: {choices}").format(item=item, choices="; ".join(choices)))
        return text.strip()

    return check
