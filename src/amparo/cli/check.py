"""The verbs ``check``, ``corroborate`` and ``grade``: what cannot both hold, who says something independently, open sources."""

from pathlib import Path
from typing import Any

import click

from amparo.app import checking, grading
from amparo.app.checking import Checked, Corroborated
from amparo.app.session import stops_when_asked
from amparo.cli.common import names_at_hand, opened, passphrase_option, progress, verb
from amparo.kernel.i18n import N_, _, ngettext
from amparo.record import vocabulary
from amparo.verify.corroboration import RECORDED, SOURCE, SPEAKER, Origin

Result = tuple[dict[str, Any], str]
_SHOWN = 8  # of each rule
_LEVELS = {"certain": N_("certain"), "probable": N_("probable"), "possible": N_("possible")}
_TIES = {
    SOURCE: N_("{one} and {other}: one source"), SPEAKER: N_("{one} and {other}: one speaker"),
    RECORDED: N_("{one} and {other}: recorded as of the same origin"),
}  # fmt: skip


@click.command(
    help=_(
        "Look for claims that cannot both hold (killed and seen alive later, two ends of one act, counts that exceed their "
        "total) and for claims that are undercut (said in custody, denied by the accused, a stand-in). What is found is a "
        "question for a person to weigh, never a verdict; no word of a claim is read for it.\n\n"
        "“certain”: no reading of the dates lets both hold; “probable”: half of the readings or fewer do.\n\n"
        "Example: amparo check --record"
    )
)
@click.option("--level", type=click.Choice(tuple(_LEVELS)), default="probable", show_default=True,
              help=_("How sure a finding must be to be shown."))  # fmt: skip
@click.option("--record", "put", is_flag=True,
              help=_("Record the new ones as links, so that contradictions wait to be weighed."))  # fmt: skip
@passphrase_option
@verb
def check(level: str, put: bool, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, identities=names_at_hand(folder), descriptor=passphrase_fd) as session:
        with progress(_("Checking")) as bar, stops_when_asked():
            found = checking.check(session, level=level, progress=bar)
        data = checking.data(found)
        links = checking.put(session, data["findings"]) if put else []
    return {"demo": session.demo, "level": level, **data, "recorded": links}, _told(found, data["findings"], links)


def _told(found: Checked, findings: list[dict[str, Any]], links: list[str]) -> str:
    total = sum(found.counts.values())
    if not total:
        return _("Nothing was found that cannot hold together, and nothing that is undercut.")
    lines = [ngettext("{n} finding", "{n} findings", total).format(n=total)]
    for rule in dict.fromkeys(one["rule"] for one in findings):
        several = [one for one in findings if one["rule"] == rule]
        lines += ["", f"{_(rule)} ({found.counts[rule]})"]
        for one in several[:_SHOWN]:
            mark = _("linked") if one["linked"] else _(_LEVELS[one["level"]])
            lines.append(f"  [{mark}] {one['sentence']}")
            if others := [f"{of}/{to}" for of, to in one["pairs"][1:6]]:
                lines.append("      " + _("likewise: {pairs}").format(pairs=", ".join(others)))
        if found.counts[rule] > _SHOWN:
            lines.append("  " + _("… and {n} more (--json)").format(n=found.counts[rule] - _SHOWN))
    if links:
        lines += ["", ngettext("{n} link was recorded, from {first} on.", "{n} links were recorded, from {first} on.",
                               len(links)).format(n=len(links), first=links[0])]  # fmt: skip
    return "\n".join(lines)


@click.command(
    help=_(
        "Count who says what a claim says, by common origin: claims of one source, one speaker or one recorded origin count "
        "once, and what is undercut is counted apart. Independence is never proven; a count says that no common origin is "
        "recorded.\n\nExample: amparo corroborate C-0017"
    )
)
@click.argument("claim")
@passphrase_option
@verb
def corroborate(claim: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, identities=names_at_hand(folder), descriptor=passphrase_fd) as session:
        found = checking.corroborate(session, claim)
        data = {
            "demo": session.demo, "claim": found.claim, "independent": found.independent,
            "agree": [_origin(one) for one in found.agree], "deny": [_origin(one) for one in found.deny],
            "undercut": found.undercut,
        }  # fmt: skip
    return data, _counted(found)


def _origin(one: Origin) -> dict[str, Any]:
    return {"claims": list(one.claims), "why": [list(tie) for tie in one.why], "weakened": one.weakened}


def _counted(found: Corroborated) -> str:
    lines = [
        ngettext(
            "{claim} is said by {n} origin that no record ties to another.",
            "{claim} is said by {n} origins that no record ties to each other.", found.independent,
        ).format(claim=found.claim, n=found.independent)
    ]  # fmt: skip
    for title, several in ((_("Says so"), found.agree), (_("Denies it"), found.deny)):
        if several:
            lines += ["", title]
        for number, one in enumerate(several, 1):
            lines.append(f"  {number}. {', '.join(one.claims)}" + (f"  ({_('undercut')})" if one.weakened else ""))
            lines += [f"       {_(_TIES[why]).format(one=first, other=other)}" for first, other, why in one.why]
    if found.undercut:
        lines += ["", _("Undercut"), *(f"  {claim}: {why}" for claim, why in sorted(found.undercut.items()))]
    return "\n".join(lines)


@click.command(
    help=_(
        "Grade a published source: how reliable it is (A to F) and how credible what it tells (1 to 6). Whoever spoke to the "
        "documenters is never graded.\n\n"
        'Example: amparo grade S-0003 --reliability "usually reliable" --credibility "possibly true" --reason "two errors"'
    )
)
@click.argument("source")
@click.option("--reliability", type=click.Choice(vocabulary.load().terms("reliability")), required=True,
              help=_("Of the source."))  # fmt: skip
@click.option("--credibility", type=click.Choice(vocabulary.load().terms("credibility")), required=True,
              help=_("Of what it tells."))  # fmt: skip
@click.option("--reason", required=True, help=_("Why; it stays in the record."))
@passphrase_option
@verb
def grade(
    source: str, reliability: str, credibility: str, reason: str, passphrase_fd: int | None, folder: Path | None
) -> Result:  # fmt: skip
    with opened(folder, identities=names_at_hand(folder), descriptor=passphrase_fd) as session:
        made = grading.grade(session, source, reliability, credibility, reason)
        data = {"demo": session.demo, "source": source, **made}
    return data, _("{source} is graded {code}.").format(source=source, code=made["code"])


COMMANDS = [check, corroborate, grade]
