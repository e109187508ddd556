"""Forms: an interview asked step by step on the terminal, or read from YAML."""

from typing import Any

import click
import yaml

from amparo.cli.common import read_text
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _

_MAX_FORM = 1 << 20


class BadForm(BadInput):
    template = N_("The form is not YAML that Amparo can read ({why}); the guide docs/guide/first-steps.md shows one.")


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
    """Ask for an interview on the terminal, in the order of a conversation. An empty claim ends it."""

    def ask(question: str, default: str = "") -> str:
        return str(click.prompt(question, default=default, show_default=bool(default), err=True)).strip()

    form: dict[str, Any] = {
        "rights_explained": ask(_("Were rights, risks and the use of the record explained, and how?")),
        "date": ask(_("Date of the conversation (e.g. 2026-11)")),
        "interviewer": ask(_("Who asks (a role or a code, no name)")),
        "language": ask(_("Language (e.g. ru)")),
        "interpreter": ask(_("Interpreter (a code, or none)"), "none"),
        "persons_present": ask(_("Who else was present"), "nobody"),
        "place": ask(_("Where, vaguely (e.g. a town abroad)")),
        "claims": [],
    }
    click.echo(
        _("Now what was said, a sentence at a time, in the person's words; handles instead of names. Empty to end."), err=True
    )
    while text := ask(_("Claim")):
        form["claims"].append({"text": text, "valid": ask(_("When (as exact as known)"))})
    purposes = ask(
        _("Consent: for which purposes ({choices}; separated by ;)").format(
            choices="record; complaint; prosecution; publication"
        )
    )
    if purposes:
        audiences = ask(_("Consent: for which audiences (team; coalition; court; un body; public)"))
        form["consent"] = {"purposes": purposes, "audiences": audiences, "how": ask(_("Consent: how was it given?"))}
    return form
