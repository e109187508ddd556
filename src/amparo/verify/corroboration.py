"""How often something is said independently: claims that say the same, counted by where they come from and not by how many.

Invariant: two claims have a common origin if they share a source, a passage or a speaker with a handle, if their sources are
parts of one source or copies of one file, or if somebody recorded that they are of the same origin; and whatever has a common
origin with one of them has it with all. Independence is never proven: a count says “no common origin is recorded”.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from amparo.kernel import ids
from amparo.record.bulk import Said


@dataclass(frozen=True, slots=True)
class Origin:
    """Claims of one origin; ``why`` what ties them: (claim, other, reason). ``weakened``: all are undercut."""

    claims: tuple[str, ...]
    why: tuple[tuple[str, str, str], ...]
    weakened: bool = False


SOURCE, SPEAKER, RECORDED = "source", "speaker", "recorded"


def origins(
    claims: Sequence[Said], links: Iterable[tuple[str, str]] = (), wholes: Mapping[str, str] | None = None,
    undercut: Iterable[str] = (),
) -> list[Origin]:  # fmt: skip
    """The claims by common origin, the largest first. ``links``: pairs recorded as of the same origin; ``wholes``: source ->
    the source that it is a part or a copy of.
    """
    wholes, weak = wholes or {}, set(undercut)
    ordered = sorted(claims)
    parent = {said.handle: said.handle for said in ordered}

    def root(handle: str) -> str:
        while parent[handle] != handle:
            parent[handle] = handle = parent[parent[handle]]
        return handle

    why: list[tuple[str, str, str]] = []

    def tie(one: str, other: str, reason: str) -> None:
        low, high = sorted((root(one), root(other)))
        if low != high:
            parent[high] = low
            why.append((one, other, reason))

    seen: dict[tuple[str, str], str] = {}
    for said in ordered:
        for reason, key in _keys(said, wholes):
            earlier = seen.setdefault((reason, key), said.handle)
            if earlier != said.handle:
                tie(said.handle, earlier, reason)
    for one, other in sorted(links):
        if one in parent and other in parent:
            tie(one, other, RECORDED)
    groups: dict[str, list[str]] = {}
    for said in ordered:
        groups.setdefault(root(said.handle), []).append(said.handle)
    found = [
        Origin(tuple(group), tuple(tied for tied in why if root(tied[0]) == first), weak.issuperset(group))
        for first, group in groups.items()
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.weakened, -len(one.claims), one.claims))


def _keys(said: Said, wholes: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    if said.source:
        yield SOURCE, said.source
        if said.source in wholes:
            yield SOURCE, wholes[said.source]
    if said.speaker and ids.is_handle(said.speaker):
        yield SPEAKER, said.speaker
