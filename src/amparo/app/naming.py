"""Keeping sealed names out of what is written into everyday compartments.

Invariant: where the identities are open, no sealed name in words that are about to be recorded passes. Where they are locked
nobody can look, and the gate looks when something leaves.
"""

from collections.abc import Mapping

from amparo.app.session import Session
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_
from amparo.protect.names import SealedNames


class NameInWords(BadInput):
    template = N_("The {field} contains the sealed name of {handles}; write the handle instead. Nothing was changed.")


def sealed_names(session: Session) -> SealedNames | None:
    """What to look for, or None while the identities are locked."""
    if "identities" not in session.keys:
        return None
    identities = list(session.identities.all())
    return SealedNames.from_view(identities, len(identities))


def refuse_names(session: Session, words: Mapping[str, str]) -> None:
    """Look for sealed names in words by the field they stand in. Raises NameInWords."""
    sealed = sealed_names(session)
    for field, text in words.items() if sealed else ():
        if sealed and (found := sealed.find(text.replace("_", " "))):
            raise NameInWords(field=field, handles=", ".join(sorted({finding.person for finding in found})))
