"""Grading open sources on the two scales of the Admiralty: how reliable the source is, how credible what it tells.

Invariant: only what was published is graded. Whoever spoke to the documenters is never put on a scale; what they say is weighed
by assessments, with reasons (Berkeley Protocol 2022, chapter VI on verification; Istanbul Protocol on those who survived).
"""

from typing import Final

from amparo.app.naming import refuse_names
from amparo.app.people import Empty, one_of, require
from amparo.app.session import Session, now_ms
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.record import bulk, vocabulary
from amparo.record.model import Claim

RELIABILITY: Final = "reliability"
CREDIBILITY: Final = "credibility"
PUBLISHED: Final = "published source"
_LETTERS: Final = "ABCDEF"


class NotPublished(BadInput):
    template = N_("{source} is no published source; only those are graded, never a person who spoke. Weigh what was said by an "
                  "assessment instead. Nothing was recorded.")  # fmt: skip


def grade(session: Session, source: str, reliability: str, credibility: str, reason: str) -> dict[str, str]:
    """Grade a published source; a later grade takes the place of an earlier one, which stays in the history.

    Returns {"code": as “B2”, RELIABILITY and CREDIBILITY: the new claims}. Raises UnknownHandle, NotPublished, NotOneOf, Empty.
    """
    source = require(session, source, "source")
    entity = session.record.entity(source)
    if entity is None or entity.basis != PUBLISHED:
        raise NotPublished(source=source)
    terms = vocabulary.load()
    for scale, value in ((RELIABILITY, reliability), (CREDIBILITY, credibility)):
        one_of(value, terms.terms(scale), scale)
    if not reason.strip():
        raise Empty(field="reason")
    refuse_names(session, {_("reason"): reason})
    made = {}
    with session.change() as change:
        before = {said.property: said.handle for said in bulk.of_thing(session.record, source, (RELIABILITY, CREDIBILITY))}
        for scale, value in ((RELIABILITY, reliability), (CREDIBILITY, credibility)):
            claim = Claim(
                change.allocate("claim"), source, scale, value, reason, access="inferred", voluntariness="free",
                stance="report",
                source=source, supersedes=before.get(scale, ""), reason=reason if scale in before else "", recorded=now_ms(),
            )  # fmt: skip
            change.put("record", Claim.TYPE, [claim.to_row()])
            made[scale] = claim.handle
    return {"code": code(reliability, credibility), **made}


def code(reliability: str, credibility: str) -> str:
    """The grade as it is written in short: A to F for the source, 1 to 6 for what it tells."""
    terms = vocabulary.load()
    letter = _LETTERS[terms.terms(RELIABILITY).index(reliability)]
    return f"{letter}{terms.terms(CREDIBILITY).index(credibility) + 1}"
