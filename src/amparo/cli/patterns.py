"""The verb ``patterns``: what followed what, which places, units and means recur, what goes together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from amparo.analysis.patterns import STEPS
from amparo.app import patterns as app
from amparo.cli.common import opened, passphrase_option, progress, verb
from amparo.kernel.i18n import _

Result = tuple[dict[str, Any], str]


@click.command(
    help=_(
        "Count patterns in what befell persons: what followed what, which places, units and means recur, what goes together "
        "more than chance and documentation explain. Counts of one or two persons are never shown, and no person is listed.\n\n"
        "Example: amparo patterns sequences"
    )
)
@click.argument("which", required=False, default="", type=click.Choice(("", *app.WHICH)), metavar=f"[{'|'.join(app.WHICH)}]")
@passphrase_option
@verb
def patterns(which: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session, progress(_("Reading what befell whom")) as told:
        data = app.patterns(session, which, progress=told)
    lines = [_head(data)]
    for name, heading in app.WHICH.items():
        if name in data:
            lines += ["", _(heading), *_PARTS[name](data)]
    return data, "\n".join(lines)


def _head(data: Mapping[str, Any]) -> str:
    text = _(
        "{cases} cases (a person, or a group of persons that a source does not tell apart), {persons} of them of one person; "
        "acts: {acts}, without a recorded victim: {without}"
    )
    return text.format(cases=_number(data["cases"]), persons=_number(data["persons"]), acts=data["acts"],
                       without=data["acts_without_victim"])  # fmt: skip


def _number(count: int | None) -> str:
    return _("(not shown)") if count is None else str(count)


def _names(data: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    return [" ".join(app.label(trait, data["labels"]).split()) for trait in row["traits"]]


def _counts(row: Mapping[str, Any]) -> str:
    return _("cases: {cases}; persons: {persons}; origins: {origins}").format(
        cases=row["cases"], persons=_number(row["persons"]), origins=row["origins"]
    )


def _nothing(data: Mapping[str, Any]) -> list[str]:
    return ["  " + _("None that at least {small} cases share and that may be shown.").format(small=data["small"])]


def _sequences(data: Mapping[str, Any]) -> list[str]:
    part = data["sequences"]
    text = _("Pairs of steps of one case: {pairs}, of which {ordered} are in a certain order.")
    lines = ["  " + text.format(pairs=part["pairs"], ordered=part["ordered"])]
    lines += [] if part["listed"] else _nothing(data)
    for row in part["listed"]:
        lines.append("  " + " → ".join(_names(data, row)))
        told = _counts(row)
        if row["with_all_steps"] is not None:
            told += "; " + _("cases with all these steps, in any order: {count}").format(count=row["with_all_steps"])
        lines.append("      " + told)
    if part["steps_left_out"]:
        text = _("Steps beyond the first {most} of a case: {count}, not looked at.")
        lines.append("  " + text.format(most=STEPS, count=part["steps_left_out"]))
    return lines


def _recurring(name: str) -> Any:
    def lines(data: Mapping[str, Any]) -> list[str]:
        found = []
        for row in data[name]:
            days = f" ({row['first'] or '..'}/{row['last'] or '..'})" if row["first"] or row["last"] else ""
            acts = _("acts: {count}").format(count=row["acts"])
            found += [f"  {_names(data, row)[0]}{days}", f"      {acts}; {_counts(row)}"]
        return found or _nothing(data)

    return lines


def _together(data: Mapping[str, Any]) -> list[str]:
    part = data["together"]
    if not part["listed"]:
        return _nothing(data)
    text = _("Pairs looked at: {count}. The odds ratio of a typical pair here is {odds}; told is what differs from that.")
    lines = ["  " + text.format(count=part["looked_at"], odds=part["typical"])]
    sure = [row for row in part["listed"] if row["sure"]]
    if not sure:
        lines.append("  " + _("No pair differs from that surely; these come nearest."))
    for row in sure or part["listed"][:5]:
        one, other = _names(data, row)
        verdict = _("more often together than is typical") if row["more"] else _("less often together than is typical")
        lines.append(f"  {one} + {other}: {verdict}")
        counts = _("odds ratio {odds} ({low} to {high}); both {both}, the one {one}, the other {other}, of {of}; s-value {s}")
        lines.append("      " + counts.format(**{name: row[name] for name in ("odds", "low", "high", "one", "other", "of")},
                                              both=row["cases"], s=row["s_value"]))  # fmt: skip
    return lines


_PARTS = {"sequences": _sequences, "places": _recurring("places"), "units": _recurring("units"), "means": _recurring("means"),
          "together": _together}  # fmt: skip
COMMANDS = [patterns]
"""Read by ``cli.main``."""
