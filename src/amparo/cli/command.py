"""The verb ``command``: who stood above those who are said to have done an act, at its date, by which claims."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from amparo.analysis.command import RELATIONS
from amparo.app import command as app
from amparo.app.command_figure import figure as drawn
from amparo.app.command_release import write_figure
from amparo.cli.common import opened, passphrase_option, verb
from amparo.kernel.i18n import _, leftward
from amparo.record.model import AUDIENCES, PURPOSES
from amparo.record.vocabulary import load

Result = tuple[dict[str, Any], str]


@click.command(
    help=_(
        "Tell who stood above those who are said to have done an act: who commanded whom at its date and place, by which "
        "claims, and where nobody is recorded. It lists what speaks to a superior's responsibility and never judges it.\n\n"
        "Example: amparo command A-0001 --figure chain.svg; or of a unit: amparo command G-0001 --at 2017-03"
    )
)
@click.argument("handle")
@click.option("--at", default="", metavar="DATE", help=_("A partial date to look at, instead of the act's own."))
@click.option("--figure", type=click.Path(path_type=Path, dir_okay=False), default=None, metavar="FILE",
              help=_("Draw it as SVG into a file that is not there yet, through the gate."))  # fmt: skip
@click.option("--purpose", type=click.Choice(PURPOSES), default="record", show_default=True, help=_("What the drawing is for."))
@click.option("--audience", type=click.Choice(AUDIENCES), default="team", show_default=True, help=_("Who will see it."))
@passphrase_option
@verb
def command(
    handle: str, at: str, figure: Path | None, purpose: str, audience: str, passphrase_fd: int | None, folder: Path | None
) -> Result:
    with opened(folder, identities=figure is not None, descriptor=passphrase_fd) as session:
        data = app.command(session, handle, at=at)
        if figure is not None:
            drawing = drawn(data, mirrored=leftward())
            data["sha256"] = write_figure(session, figure, data, drawing, purpose=purpose, audience=audience)
            data["figure"] = str(figure)
    return data, "\n".join(_text(data))


def _text(data: Mapping[str, Any]) -> list[str]:
    lines = [_("Chain of command above {what}").format(what=_name(data, data["of"])) + _dated(data)]
    if data["alleged"]:
        lines += ["", _("Said to have done it")]
        lines += [f"  {_name(data, one['party'])}  [{_few(one['claims'])}]" for one in data["alleged"]]
    elif data["of"][:1] in "EA":
        lines += ["", _("No unit and no person is recorded as having done it.")]
    if data["parts"]:
        lines += ["", _("Said to have had another part")]
        lines += [f"  {_name(data, one['party'])}: {_degree(one['degree'])}  [{one['claim']}]" for one in data["parts"]]
    if data["places"] or data["areas"]:
        lines += ["", _("Where"), *(f"  {_name(data, place)}" for place in (*data["places"], *data["areas"]))]
    lines += _edges(data, _("Recorded at that date"), data["edges"])
    if data["missing"]:
        lines += ["", _("Missing"), *(f"  {sentence}" for sentence in data["missing"])]
    if data["overlaps"]:
        lines += ["", _("Side by side")]
        lines += ["  " + _overlap(data, one) for one in data["overlaps"]]
    if data["circles"]:
        lines += ["", _("Said to stand above each other, which cannot be"), *(f"  {', '.join(one)}" for one in data["circles"])]
    lines += _edges(data, _("Recorded at other times only, or denied"), data["elsewhere"])
    lines += _superiors(data)
    for count, sentence in ((data["left_out"], _("Things that are not shown: {count}.")),
                            (data["acts_left_out"], _("Acts of the event that were not looked at: {count}."))):  # fmt: skip
        lines += ["", sentence.format(count=count)] if count else []
    return [*lines, _("Only a part of the claims of command was looked at.")] if data["cut"] else lines


def _dated(data: Mapping[str, Any]) -> str:
    return f" ({data['date']})" if data["date"] else ": " + _("no date is recorded, so anything recorded is possible")


def _name(data: Mapping[str, Any], handle: str) -> str:
    label = " ".join(data["labels"].get(handle, "").split())
    return f"{handle} {label}".strip()


def _degree(term: str) -> str:
    return load().label("degree of involvement", term) if term else _("in what way is not recorded")


def _few(handles: Iterable[str], most: int = 4) -> str:
    found = list(handles)
    return ", ".join(found[:most]) + (" …" if len(found) > most else "")


def _edges(data: Mapping[str, Any], heading: str, edges: list[dict[str, Any]]) -> list[str]:
    lines = []
    for edge in app.surest(edges):
        upper, lower = _name(data, edge["upper"]), _name(data, edge["lower"])
        first, second = (upper, lower) if RELATIONS[edge["property"]] == "subject" else (lower, upper)
        lines.append(f"  {first} — {load().property_label(edge['property']).lower()} — {second}")
        facts = [_(edge["standing"]), *(_(basis) for basis in edge["bases"])]
        facts.append(_("origins: {count}").format(count=edge["origins"]))
        lines.append("      " + "; ".join(facts))
        lines += [f"      {_claim(claim)}" for claim in edge["claims"]]
    return ["", heading, *lines] if lines else []


def _claim(claim: Mapping[str, Any]) -> str:
    facts = [claim["valid"] or _("undated"), *(_(word) for word in claim["doubts"])]
    facts += [_("denied")] if claim["denied"] else []
    return f"{claim['handle']} ({', '.join(facts)})" + (f"  [{claim['source']}]" if claim["source"] else "")


def _overlap(data: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    days = f"{one['first'] or '..'}/{one['last'] or '..'}"
    text = _("{one} and {other} are both recorded above {node}, {days}: {standing}")
    return text.format(one=_name(data, one["one"]), other=_name(data, one["other"]), node=one["node"], days=days,
                       standing=_(one["standing"]))  # fmt: skip


def _superiors(data: Mapping[str, Any]) -> list[str]:
    """The elements of a superior's responsibility, person by person."""
    if not data["superiors"]:
        return []
    lines = ["", _("What speaks to a superior's responsibility (Rome Statute, article 28); no verdict")]
    for one in data["superiors"]:
        lines.append(f"  {one['person']}")
        for element in one["elements"]:
            lines.append(f"    {_(element['sentence'])}")
            lines += [f"      {_speaks(claim)}" for claim in element["claims"]]
            if element["more"]:
                lines.append("      " + _("and {count} more").format(count=element["more"]))
            if not element["claims"]:
                lines.append("      " + _("no claim speaks to it"))
    return lines


def _speaks(claim: Mapping[str, Any]) -> str:
    value = " ".join(str(claim["value"]).split())
    head = f"{claim['handle']} {claim['subject']} {load().property_label(claim['property']).lower()}"
    head += f": {value}" if value else ""
    facts = [_(word) for word in (claim["when"], *claim["doubts"], "denied" if claim["denied"] else "") if word]
    return head + (f" ({', '.join(facts)})" if facts else "") + (f"  [{claim['source']}]" if claim["source"] else "")


COMMANDS = [command]
