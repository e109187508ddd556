"""The verb ``waves``: when there was more than usual, within which bounds, and what cannot be told."""

from pathlib import Path
from typing import Any

import click

from amparo.analysis.waves import Wave, Why
from amparo.app import waves as app
from amparo.app import waves_figure
from amparo.app.session import require_folder
from amparo.cli.common import opened, passphrase_option, progress, verb
from amparo.kernel.i18n import _
from amparo.vault.disk import Disk

Result = tuple[dict[str, Any], str]


@click.command(
    help=_(
        "Look for waves: stretches of time with more acts than usual, with a band for each bound; or say that they cannot be "
        "determined, and why.\n\n"
        "Example: amparo waves --from 2016 --to 2019 --place L-0001 --figure waves.svg"
    )
)
@click.option("--from", "start", default="", metavar="DATE", help=_("From this year, month or day."))
@click.option("--to", "end", default="", metavar="DATE", help=_("Up to this year, month or day."))
@click.option("--place", default="", metavar="PLACE", help=_("Only acts at this place or within it (L-0001)."))
@click.option("--kind", default="", metavar="TERM", help=_("Only acts of this type, as the vocabulary of acts has it."))
@click.option("--figure", type=click.Path(path_type=Path), default=None, help=_("Also write a figure (SVG) to this file."))
@click.option("--seed", type=click.IntRange(0, 2**31), default=app.SEED, show_default=True,
              help=_("The same seed gives the same figures."))  # fmt: skip
@click.option("--demonstration", is_flag=True, help=_("Look at a made-up population instead, which says that it is one."))
@passphrase_option
@verb
def waves(
    start: str, end: str, place: str, kind: str, figure: Path | None, seed: int, demonstration: bool, passphrase_fd: int | None,
    folder: Path | None,
) -> Result:  # fmt: skip
    if figure is not None:
        require_folder(figure)
    with progress(_("Looking for waves")) as bar:
        if demonstration:
            report = app.demonstration(seed=seed, progress=bar)
        else:
            with opened(folder, descriptor=passphrase_fd) as session:
                report = app.look(session, start=start, end=end, place=place, kind=kind, seed=seed, progress=bar)
    if figure is not None:
        Disk().atomic_write(figure, waves_figure.figure(report).encode())
    return report.as_json(), "\n".join([*_head(report), *_found(report), *_asserted(report)])


def _head(report: app.Report) -> list[str]:
    lines = [_("MADE-UP POPULATION: these acts are generated, they are about nobody.")] if report.made_up else []
    if report.why:
        lines.append(_("Not determinable, because:"))
        lines += [f"  - {_(one)}" for one in report.why]
    counted = _("Acts: {acts}; without a date that has two ends: {undated}")
    lines.append(counted.format(acts=report.acts, undated=report.undated))
    if report.more:
        lines.append(_("Not all acts were looked at: there are too many; choose a place, a type or a time."))
    return lines


def _found(report: app.Report) -> list[str]:
    found = report.found
    if found is None:
        return []
    lines = [_("True wave, as it was made up: {start} to {end}").format(start=app.day(low), end=app.day(high))
             for low, high in report.truth]  # fmt: skip
    lines += [line for wave in found.waves for line in _wave(wave, sure=found.determinable)]
    lines += waves_figure.table(report)[len(found.waves) :]
    if found.left_out:
        lines.append(_("Left out, because their dates reach beyond the days looked at or span over two years: {number}").format(
            number=found.left_out))  # fmt: skip
    return lines


def _wave(wave: Wave, *, sure: bool) -> list[str]:
    heading = _("A wave") if wave.stands and sure else _("Perhaps a wave")
    bounds = _("{heading} from {start} (9 in 10: {start_low} to {start_high}) to {end} (9 in 10: {end_low} to {end_high})")
    start_low, start_high, end_low, end_high = (app.day(one) for one in (*wave.start_band, *wave.end_band))
    chances = _("probability {probability}; {times} times the background ({low} to {high}); about {events} acts")
    low, times, high = (f"{one:.1f}" for one in wave.times)
    lines = [
        bounds.format(heading=heading, start=app.day(wave.start), start_low=start_low, start_high=start_high,
                      end=app.day(wave.end), end_low=end_low, end_high=end_high),
        "  " + chances.format(probability=f"{wave.probability:.2f}", times=times, low=low, high=high,
                                events=f"{wave.events:.0f}"),
    ]  # fmt: skip
    lines += [f"  - {_(app.REASONS[one])}" + (f" ({wave.source})" if one is Why.SOURCE else "") for one in wave.why]
    if wave.open_start:
        lines.append("  " + _("It may have begun before the first day looked at."))
    if wave.open_end:
        lines.append("  " + _("It may not be over: its end lies at the last day looked at."))
    return lines + _without(wave.without)


def _without(kept: dict[str, float]) -> list[str]:
    if not kept:
        return []
    told = ", ".join(f"{source} {probability:.2f}" for source, probability in kept.items())
    return ["  " + _("Its probability when one source is left out: {told}").format(told=told)]


def _asserted(report: app.Report) -> list[str]:
    if not report.asserted:
        return []
    lines = [_("Waves, round-ups and new cases that sources assert (their words, not counted above):")]
    for one in report.asserted:
        told = _("{event} {label}, {date}, asserted by {source} ({claim})").format(
            event=one.event, label=one.label, date=one.date or "?", source=one.source or "?", claim=one.claim)  # fmt: skip
        lines.append(f"  {' '.join(told.split())}")
    return lines


COMMANDS = [waves]
