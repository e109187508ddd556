"""The view of the compartment ``identities``: who the persons are. No index, no search by words; nothing here is ever logged.

Invariant: as ``record.store``. A name leaves this module only as an ``Identity`` that was asked for.
"""

from typing import Any

from rapidfuzz.distance import JaroWinkler

from amparo.kernel.i18n import N_, _
from amparo.kernel.text import romanise, words
from amparo.record.digest import digest
from amparo.record.model import Identity
from amparo.record.store import Keys, Origin, Store
from amparo.record.tokens import consonants

SAME = N_("the same name")
SAME_SOUND = N_("the same name in another spelling or script")
NEAR = N_("a similar name")
_LIKE = 0.93  # Jaro-Winkler on romanised, sorted names: two letters differ in a name of twenty


class IdentityView(Store):
    """identities@1."""

    def _keys(self, type: str, row: list[Any]) -> Keys:
        return Keys(id=row[0], person=row[0]) if type == Identity.TYPE else Keys()

    def identity(self, person: str) -> Identity | None:
        """Who a person is, or None."""
        return next((Identity.from_row(row) for row in self.rows(Identity.TYPE, "id = ?", (person,))), None)

    def all(self) -> list[Identity]:
        """Every identity, as the gate needs them."""
        return [Identity.from_row(row) for row in self.rows(Identity.TYPE)]

    def find(self, dataset: str, key: str, table: str) -> tuple[str, bytes] | None:  # noqa: ARG002
        """(person, digest) of an identity under its person's handle (``dataset`` is ""), or None."""
        found = self.rows(table, "id = ?", (key,)) if table == Identity.TYPE else []
        return (found[0][0], digest(table, found[0])) if found else None

    def find_similar(self, name: str) -> list[tuple[str, str]]:
        """(person, why) of persons who may be meant by ``name``, likeliest first: a question to the user, not an answer.

        Names are compared as sets of words: folded, then by sound across scripts, then romanised letter by letter.
        """
        exact, sound, roman = _forms(name)
        if not exact:
            return []
        found: list[tuple[int, str]] = []
        for identity in self.all():
            rank = 3
            for known in identity.names:
                other_exact, other_sound, other_roman = _forms(known.text)
                if exact == other_exact:
                    rank = 0
                elif sound == other_sound or (len(sound & other_sound) >= 2 and (sound < other_sound or other_sound < sound)):
                    rank = min(rank, 1)
                elif JaroWinkler.similarity(roman, other_roman) >= _LIKE:
                    rank = min(rank, 2)
            if rank < 3:
                found.append((rank, identity.person))
        return [(person, _((SAME, SAME_SOUND, NEAR)[rank])) for rank, person in sorted(found)]

    def origins_of_person(self, person: str) -> list[Origin]:
        """The parts that hold a person's identity: what an erasure shreds."""
        return self._origins("SELECT part FROM rows WHERE person = ? AND person <> ''", (person,))


def _forms(name: str) -> tuple[list[str], frozenset[str], str]:
    """(folded words sorted, sounds of the words, romanised words sorted and joined)."""
    folded = sorted(word for word, _, _ in words(name))
    return folded, frozenset(map(consonants, folded)), " ".join(sorted(map(romanise, folded)))
