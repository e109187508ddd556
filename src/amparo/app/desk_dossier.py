"""A dossier as the pages make it: looked at with the gate's findings, each led back to where it can be mended; then let out.

Invariant: what leaves was built and checked anew, is the very file that was looked at, and stands in the ledger before a byte
of it is handed over. No finding holds a sealed name.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from amparo.app import release
from amparo.app.desk_jobs import Told
from amparo.app.session import Session
from amparo.dossier import build
from amparo.kernel import ids
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _, ngettext
from amparo.protect.gate import BLOCKS, MACHINE, OVERRIDDEN, SOURCE, UNREADABLE, Item, Override

NAMES: Final = {"pdf": "dossier.pdf", "json": "dossier.json"}
_PLACES: Final = 12  # of one finding that are shown
_LINKS: Final = 12  # claims of one place


class NotAForm(BadInput):
    template = N_("“{value}” is not a form of a dossier; choose pdf or json.")


def asked_of(typed: Mapping[str, Any]) -> release.Asked:
    """What a form asks for. Raises NotAForm, BadHandle."""
    if typed["form"] not in NAMES:
        raise NotAForm(value=str(typed["form"])[:40])
    events = tuple(dict.fromkeys(str(ids.parse(handle)) for handle in typed["events"]))
    overrides = tuple(Override(id, reason) for id, reason in typed["overrides"].items())
    return release.Asked(typed["purpose"], typed["audience"], overrides, typed["form"], typed["title"], events)


def look(session: Session, typed: Mapping[str, Any]) -> Told:
    """Build and check; the file is there to be looked at. Raises what ``release.draft`` raises."""
    asked = asked_of(typed)
    made = release.draft(session, asked, NAMES[asked.form])
    report = made.report
    blocking = sum(item.status == BLOCKS for item in report.items)
    sentence = _("The gate lets it pass. It has not left yet.") if report.passed else ngettext(
        "The gate refuses: {count} finding must be mended or let pass with a reason. Nothing has left.",
        "The gate refuses: {count} findings must be mended or let pass with a reason. Nothing has left.", blocking,
    ).format(count=blocking)  # fmt: skip
    data = {
        "passed": report.passed, "sha256": report.sha256, "groups": _groups(report.items, made.claims_at),
        "count": len(report.items), "sources": len(report.bases),
        "published": sum(basis == "published source" for _source, basis in report.bases), "unused": list(report.unused),
        "pages": build.pages(made.finished) if asked.form == "pdf" else 0, "bytes": len(made.finished),
    }  # fmt: skip
    return Told(sentence, [], data, made.finished)


def let_out(session: Session, typed: Mapping[str, Any]) -> Told:
    """Build again, check again, write the entry. Raises Refused, NotAsSeen."""
    asked = asked_of(typed)
    made = release.draft(session, asked, NAMES[asked.form])
    release.let_out(session, made, seen=str(typed["seen"]))
    sentence = _("It is let out, and the ledger says so. Take the file now: it is kept only until the workspace is locked.")
    data = {"sha256": made.report.sha256, "media_type": made.media_type, "bytes": len(made.finished), "name": NAMES[asked.form]}
    return Told(sentence, [_("SHA-256 {hash}").format(hash=made.report.sha256)], data, made.finished)


def _groups(items: Iterable[Item], claims_at: Mapping[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    """Findings of one kind about one person or source together: what blocks first, what can be mended before what repeats it
    in the finished file.
    """
    found: dict[tuple[str, ...], list[tuple[Item, dict[str, Any]]]] = {}
    for item in sorted(items, key=lambda item: (item.status != BLOCKS, item.status)):
        shown = _finding(item, claims_at)
        found.setdefault((item.status, item.kind, item.how, item.subject), []).append((item, shown))
    groups = []
    for (status, kind, how, subject), several in found.items():
        several.sort(key=lambda pair: not any(place["handles"] for place in pair[1]["places"]))
        mend = [words for words in dict.fromkeys(_mend(item) for item, _shown in several) if words]
        groups.append({"status": status, "kind": kind, "how": _(how), "subject": subject, "mend": mend,
                       "findings": [shown for _item, shown in several]})  # fmt: skip
    return groups


def _finding(item: Item, claims_at: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    places = [_place(place, claims_at) for place in item.places[:_PLACES]]
    return {
        "id": item.id, "context": item.context, "reason": _(item.reason), "places": places,
        "more": max(0, len(item.places) - _PLACES),
        "may_pass": item.status == OVERRIDDEN or (item.status == BLOCKS and not item.final),
    }  # fmt: skip


def _place(place: str, claims_at: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """A place of the report with the handles to open there and the page of the preview, if it is one."""
    known = [where for where in claims_at if re.search(rf"{re.escape(where)}(?!\w)", place)]
    found = max(known, key=len, default="")
    handles = list(claims_at.get(found, ()))
    if ids.is_handle(place):
        handles = [place]
    page = re.match(re.escape(_("page {n}")).replace(r"\{n\}", r"(\d+)"), place)
    return {"text": place, "handles": handles[:_LINKS], "page": int(page[1]) if page else 0}


def _mend(item: Item) -> str:
    """How to mend what was found, in a sentence."""
    if item.status != BLOCKS:
        return ""
    if item.kind == SOURCE and item.final:
        return _("The consent was withdrawn: leave the source out (choose other events), or speak with the person again.")
    if item.kind == SOURCE and item.subject.startswith("P-"):
        return _("Record what the person allows for this source, or choose another purpose, audience or other events.")
    if item.kind == SOURCE:
        return _("Say on what the source rests: record a consent, or that it is a published source.")
    if item.kind == UNREADABLE:
        return _("The gate cannot read this part of the finished file, so it cannot vouch for it.")
    if item.kind == MACHINE:
        return _("Take the path or the name of the computer out of the text or the title.")
    if _("before layout, {where}").format(where=_("title")) in item.places:
        return _("The title holds it: choose another title.")
    return _("Correct the claim: write the handle instead of the name. Or ask the person whether the name may go out.")
