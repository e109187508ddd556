"""Waves in words a reader can check: what was counted, what stands firm and within which bounds, and what cannot be told and
why.

Invariants: every date in a sentence is in the data beside it; “not determinable” comes with its reasons; what somebody asserts
is told apart from what the model finds.
"""

from dataclasses import asdict
from datetime import date
from typing import Any, Final

from amparo.analysis.waves import LEVEL, Wave, Waves, Why
from amparo.app.estimates_words import factor, number, percent
from amparo.app.waves import Counted
from amparo.kernel.i18n import N_, _, ngettext

_WHY: Final = {
    Why.FEW: N_("there are too few acts whose day is known"),
    Why.COARSE: N_("too many acts are dated by month or year only"),
    Why.STEADY: N_("a steady rate explains the dates about as well"),
    Why.NO_WAVE: N_("no stretch stands out firmly"),
    Why.CHAINS: N_("the computation has not settled"),
    Why.IMPROBABLE: N_("it is less than 80 % probable"),
    Why.DIFFUSE: N_("its bounds cannot be told to within weeks"),
    Why.SOURCE: N_("it rests on one source and is gone without it: a new collector can look like a wave"),
    Why.TAIL: N_("it lies so near to the present that fewer than half of the reports may have come in"),
}
_WIDE_DATES: Final = 0.5
"""Share of acts without a known day from which that is said."""


def day(ordinal: int) -> str:
    """A day as the record writes it."""
    return date.fromordinal(ordinal).isoformat()


def summary(found: Waves) -> str:
    """One sentence: waves that stand, or that none can be told."""
    firm = sum(wave.firm for wave in found.waves)
    if found.determinable:
        return ngettext(
            "{acts} dated acts between {first} and {last}: {n} wave stands out.",
            "{acts} dated acts between {first} and {last}: {n} waves stand out.", firm,
        ).format(acts=number(found.counted), first=day(found.first), last=day(found.last), n=firm)  # fmt: skip
    reasons = "; ".join(_(_WHY[why]) for why in found.why)
    return _("{acts} dated acts between {first} and {last}: waves are not determinable, because {reasons}.").format(
        acts=number(found.counted), first=day(found.first), last=day(found.last), reasons=reasons
    )


def of_wave(wave: Wave) -> str:
    """One wave: bounds with their bands, how far above the background, what speaks against it."""
    begun = _("before {day}").format(day=day(wave.start_band[1])) if wave.open_start else _band(wave.start, wave.start_band)
    over = _("not over by {day}").format(day=day(wave.end_band[0])) if wave.open_end else _band(wave.end, wave.end_band)
    words = _("from {start} to {end}; {times} times the background ({low} to {high}); probability {share}").format(
        start=begun, end=over, times=factor(wave.times[1]), low=factor(wave.times[0]), high=factor(wave.times[2]),
        share=percent(wave.probability),
    )  # fmt: skip
    if wave.why:
        words += "; " + _("not firm: {reasons}").format(reasons="; ".join(_(_WHY[why]) for why in wave.why))
    return words + "."


def _band(middle: int, band: tuple[int, int]) -> str:
    if band[0] == band[1]:
        return day(middle)
    return _("{day} ({first} to {last})").format(day=day(middle), first=day(band[0]), last=day(band[1]))


def sections(found: Waves, counted: Counted) -> list[tuple[str, list[str]]]:
    """What a reader is shown beside the summary; empty sections are left out."""
    asserted = [
        _("{event}: {when}, asserted by {source} ({claim})").format(event=one.event, when=one.when or _("undated"),
                                                                    source=one.source or "?", claim=one.claim)
        for one in counted.asserted
    ]  # fmt: skip
    without = []
    for refit in found.refits:
        lost = [f"{at}" for at, share in enumerate(refit.probabilities, 1) if share < 0.5]
        kept = _("wave {numbers} is gone").format(numbers=", ".join(lost)) if lost else _("nothing changes much")
        without.append(_("without {source} ({share} of the acts): {kept}").format(
            source=refit.source, share=percent(refit.share), kept=kept))  # fmt: skip
    return [
        (title, lines)
        for title, lines in (
            (_("What stands out"), [f"{at}. {of_wave(wave)}" for at, wave in enumerate(found.waves, 1)]),
            (_("With a source left out"), without),
            (_("Waves that somebody asserts"), asserted),
            (_("What was counted, and what to doubt"), _doubts(found, counted)),
        )
        if lines
    ]


def _doubts(found: Waves, counted: Counted) -> list[str]:
    lines = [_("Bands hold the bound with a probability of {share}.").format(share=percent(LEVEL))]
    if counted.undated:
        lines.append(_("Acts without a date, not counted: {n}.").format(n=number(counted.undated)))
    if counted.within:
        lines.append(_("Acts of an asserted wave, not counted: {n}. An assertion is no dated act.").format(n=counted.within))
    if found.spread:
        lines.append(_("Acts dated by more than days are spread over their dates: {n} of {all}.").format(
            n=number(found.spread), all=number(found.counted)))  # fmt: skip
    if found.counted and found.spread > _WIDE_DATES * found.counted:
        lines.append(_("Most acts have no known day; bounds follow from the few that have."))
    if found.left_out:
        lines.append(_("Acts outside of these days, or with a date too wide, left out: {n}.").format(n=number(found.left_out)))
    if float(found.reported.min()) < 1:
        lines.append(_("Reports come late; the last days count as partly reported, by the delays seen so far."))
    lines.append(_("A wave is a stretch in which more was documented as having happened; whether more happened, or more was "
                   "seen, the dates alone do not tell."))  # fmt: skip
    return lines


def data(found: Waves, counted: Counted) -> dict[str, Any]:
    """What was found, for --json and for pages."""
    return {
        "summary": summary(found), "determinable": found.determinable, "why": [str(why) for why in found.why],
        "first": day(found.first), "last": day(found.last), "acts": found.counted, "spread": found.spread,
        "evidence": None if found.evidence != found.evidence else round(found.evidence, 2),
        "waves": [
            {
                "start": day(wave.start), "start_band": [day(one) for one in wave.start_band], "end": day(wave.end),
                "end_band": [day(one) for one in wave.end_band], "probability": round(wave.probability, 3),
                "times": [round(one, 2) for one in wave.times], "firm": wave.firm, "why": [str(why) for why in wave.why],
                "open": [wave.open_start, wave.open_end], "without": {name: round(p, 3) for name, p in wave.without.items()},
                "sentence": of_wave(wave),
            }
            for wave in found.waves
        ],
        "asserted": [asdict(one) for one in counted.asserted],
        "undated": counted.undated, "within": counted.within,
        "sections": [{"title": title, "lines": lines} for title, lines in sections(found, counted)],
        "diagnostics": {name: round(value, 4) for name, value in found.diagnostics.items()}, "settings": found.settings,
    }  # fmt: skip
