"""The first walk through a workspace: steps that lead to real things of it.

Invariant: what a step leads to is there; a step for which the record has nothing is left out.
"""

from typing import Any

from amparo.app import desk_assess
from amparo.app.session import Session
from amparo.kernel.i18n import _


def tour(session: Session) -> list[dict[str, Any]]:
    """The steps, each a title, a text, an address and what the link to it says."""
    record = session.record
    waiting = desk_assess.waiting(session)
    found = record.claim(waiting[0].of if waiting else "C-0001")
    claim = found.claim if found is not None else None
    event = record.entity("E-0001")
    person = record.entity("P-0001")
    steps = [] if claim is not None else [
        (_("Meet a person"), _("Say what will be done with their words, register them sealed, record what they allow "
                               "and what they tell."), "/first-contact", _("First contact")),
        (_("Add files"), _("Recordings, pictures, papers: each is sealed as it comes, with its hash and how it came."),
         "/upload", _("Add files")),
        (_("Bring tables"), _("Rows you already have become claims, each with its source."), "/imports", _("Imports")),
    ]  # fmt: skip
    steps += [
        (_("Search"), _("One box over everything. Names of places and officials are found in Latin, Cyrillic or Arabic "
                        "letters. What you search for is written nowhere."), "/search", _("All claims by their facets")),
    ]  # fmt: skip
    if event is not None:
        steps.append((_("Open an event"), _("What is claimed of it, by property; each line names its source. Claims that "
                                            "contradict each other stand side by side."), "/E-0001", "E-0001"))  # fmt: skip
    if claim is not None:
        steps.append((_("Follow a claim to its source"), _("Who says it, how they know it, how freely they spoke; the words it "
                      "was taken from; and the way back to the signature that vouches for it."),
                      f"/{claim.handle}", claim.handle))  # fmt: skip
    if claim is not None and claim.source:
        steps.append((_("Look at a source"), _("Its files with their hashes, its words, and everything it tells."),
                      f"/{claim.source}", claim.source))  # fmt: skip
    if person is not None:
        steps.append((_("Meet a person by handle"), _("The name is sealed. What the person allowed, to whom and until when, "
                                                      "stands first."), "/P-0001", "P-0001"))  # fmt: skip
    if waiting:
        steps.append((_("Weigh a contradiction"), _("Two claims with what speaks for and against each; decide with a standard "
                      "of proof and reasons. Nothing is deleted by a decision."),
                      f"/assess/{waiting[0].of}/{waiting[0].to}", f"{waiting[0].of}, {waiting[0].to}"))  # fmt: skip
    if claim is not None:
        steps.append((_("Make a dossier"), _("The gate reads it before it leaves and leads you to whatever must be mended."),
                      "/dossiers", _("Dossiers")))  # fmt: skip
    steps.append((_("Verify"), _("Every signature, hash and sealed file, with one sentence at the end."), "/integrity",
                  _("Integrity")))  # fmt: skip
    steps.append((_("Lock"), _("Press Esc twice: the screen is blank at once and the keys are forgotten."), "/help#keys",
                  _("All keys")))  # fmt: skip
    return [dict(zip(("title", "text", "address", "link"), step, strict=True)) for step in steps]
