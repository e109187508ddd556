"""How alike two names are: a score for each part, a total, and the reason in words.

Invariants: ``compare(a, b).total == compare(b, a).total``, in [0, 1]; a part that only one name has says nothing against it;
two names that differ in a part both have never reach ``SAME`` (siblings share father and family, not the given name);
skeletons take no part here.

Each word of one name is matched with at most one of the other, best first. A pair of words scores by the list of given names
where both are on it (equal, familiar form, or two different names), by the weighted distance of their sounds otherwise.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from amparo.kernel.i18n import N_, _
from amparo.verify.names_fold import LONGEST_WORD, distance, sound, weight
from amparo.verify.names_lexicon import families, is_familiar
from amparo.verify.names_parse import PARTS, Name, Word

SAME = 0.7
"""Total from which two names are taken to be one in the benchmarks; a reader decides on more than a name."""
_AGREE = 0.7  # score of a pair of words from which they are one word written in two ways
_SLIP = 0.52  # score above which one part of four may be a slip of the pen
_CONFLICT_WORTH = 1.4
_FAMILIAR, _INITIAL = 0.88, 0.85
_ONE_SOUND = 0.98  # doubled letters are no ground to call two listed names different (Hamad, Hammad)
_ENDING = re.compile("(?<=..)(?:dottir|s+on|[oe]v|[iy]n|enko|shvili|dze|sk[iy]y?|yan|ian|zade?h|zai|oglu|ovic|evic|ez)$")
_BY_CHARACTER = {"Hani", "Hang", "Jpan"}


@dataclass(frozen=True, slots=True)
class Likeness:
    """parts: part -> score in [0, 1], None where one of the names has no such part; total in [0, 1]; reasons: msgids, in order;
    pairs: (places of words in a, places in b, score) of the words that were matched.

    Neither the reasons nor ``why`` hold a letter of either name: they may be kept where names may not.
    """

    parts: dict[str, float | None]
    total: float
    reasons: tuple[str, ...]
    pairs: "tuple[_Pair, ...]" = ()

    @property
    def why(self) -> str:
        """The reasons as a sentence, in the reader's language."""
        return "; ".join(map(_, self.reasons))


def alike(a: Word, b: Word) -> float:
    """Score in [0, 1] of two words as spellings of one name."""
    if a.latin == b.latin and a.bare == b.bare:
        return _INITIAL if a.initial or b.initial else 1.0
    if a.initial or b.initial:
        return _initials(a, b)
    return (
        alike_kept(a.latin, a.bare, b.latin, b.bare)
        if (a.latin, a.bare) <= (b.latin, b.bare)
        else alike_kept(b.latin, b.bare, a.latin, a.bare)
    )


def _initials(a: Word, b: Word) -> float:
    first, other = (a, b) if a.initial else (b, a)
    return _INITIAL if distance(first.code[:1], other.code[:1]) <= 0.2 else 0.0


@lru_cache(maxsize=200_000)
def alike_kept(a: str, bare_a: bool, b: str, bare_b: bool) -> float:  # noqa: FBT001 - keys of the cache
    """``alike`` of two words that are no initials, with a memory; ``names.forget`` empties it."""
    one, two = families(a), families(b)
    common = one & two
    if common:
        return 1.0 if any(is_familiar(a, family) == is_familiar(b, family) for family in common) else _FAMILIAR
    score = _by_sound(a, bare_a, b, bare_b)
    for long, bare_long, short, bare_short in ((a, bare_a, b, bare_b), (b, bare_b, a, bare_a)):
        if long.startswith(("al", "el")) and len(long) > 5 and not short.startswith(("al", "el")):
            score = max(score, 0.97 * _by_sound(long[2:], bare_long, short, bare_short))
        if long.startswith("abdul") and not short.startswith("abd") and len(long) > 7:
            score = max(score, 0.85 * _by_sound(long[5:], bare_long, short, bare_short))
    if ("x" in a) != ("x" in b):  # x is ks in some schemes and kh in others
        score = max(score, _by_sound(a.replace("x", "kh"), bare_a, b.replace("x", "kh"), bare_b))
    ending, other = _ENDING.search(a), _ENDING.search(b)
    if ending and other and ending[0] == other[0]:
        stems = _by_sound(a[: ending.start()], bare_a, b[: other.start()], bare_b)
        score = min(score, 0.2 + 0.8 * stems)
    return min(score, 0.5) if one and two and score < _ONE_SOUND else score


def _by_sound(a: str, bare_a: bool, b: str, bare_b: bool) -> float:  # noqa: FBT001 - passed through
    code_a, code_b = sound(a), sound(b)
    vowels = 0.0 if bare_a or bare_b else 0.5
    size = max(weight(code_a, vowels=vowels), weight(code_b, vowels=vowels), 1.0)
    return max(0.0, 1.0 - distance(code_a, code_b, bare_a=bare_a, bare_b=bare_b) / size)


def compare(a: Name, b: Name) -> Likeness:
    """Compare two names read by ``parse``. A name without words is like nothing: total 0, no part."""
    if not a.words or not b.words:
        return Likeness(dict.fromkeys(PARTS), 0.0, (N_("one of the names is empty"),))
    if (b.written, b.roles, b.raw) < (a.written, a.roles, a.raw):  # ties are broken in one way, whichever name comes first
        found = compare(b, a)
        return replace(found, pairs=tuple((two, one, score) for one, two, score in found.pairs))
    return _judge(a, b, _align(a, b))


_Pair = tuple[tuple[int, ...], tuple[int, ...], float]


def _align(a: Name, b: Name) -> list[_Pair]:
    """Pairs (words of a, words of b, score), best first; each word in one pair at most; words written apart or together."""
    sure = a.ordered and b.ordered
    scored: list[tuple[float, float, int, int]] = []
    for i, word in enumerate(a.words):
        for j, other in enumerate(b.words):
            score = alike(word, other)
            if score > 0.0:
                scored.append((score * _fit(a, i, b, j, sure=sure) - 0.001 * abs(i - j), score, i, j))
    scored.sort(key=lambda entry: (-entry[0], entry[2] + entry[3], abs(entry[2] - entry[3])))
    free_a, free_b = set(range(len(a.words))), set(range(len(b.words)))
    pairs: list[_Pair] = []
    if len(free_a) != len(free_b):
        pairs += _joined(a.words, b.words, free_a, free_b, turned=False)
        pairs += _joined(b.words, a.words, free_b, free_a, turned=True)
    for fitted, score, i, j in scored:
        if i in free_a and j in free_b and fitted >= 0.45:
            free_a.discard(i)
            free_b.discard(j)
            pairs.append(((i,), (j,), score if _fit(a, i, b, j, sure=sure) > 0.8 else fitted))
    return pairs


def _fit(a: Name, i: int, b: Name, j: int, *, sure: bool) -> float:
    """How far a word of one part may stand for one of another part: freely unless both texts tell the parts apart."""
    one, two = a.roles[i], b.roles[j]
    if one == two:
        return 1.0
    if "given" in (one, two) and (a.words[i].patronymic or b.words[j].patronymic):
        return 0.6
    if not sure:
        return 0.97
    if "given" in (one, two):
        return 0.6
    return 0.9


def _joined(
    words: Sequence[Word], others: Sequence[Word], free: set[int], free_others: set[int], *, turned: bool
) -> list[_Pair]:
    """Two neighbours on one side that are one word on the other (Abu Bakr, Abubakr)."""
    pairs: list[_Pair] = []
    for i in range(len(words) - 1):
        if i not in free or i + 1 not in free or (words[i].initial and words[i + 1].initial):
            continue
        latin = (words[i].latin + words[i + 1].latin)[:LONGEST_WORD]
        both = Word(latin, sound(latin), words[i].bare or words[i + 1].bare, initial=False, families=families(latin))
        for j in sorted(free_others):
            if abs(len(others[j].latin) - len(latin)) > 4:
                continue
            score = alike(both, others[j])
            if score >= 0.88 and score > max(alike(words[i], others[j]), alike(words[i + 1], others[j])):
                free.discard(i)
                free.discard(i + 1)
                free_others.discard(j)
                pair = ((i, i + 1), (j,), score)
                pairs.append((pair[1], pair[0], score) if turned else pair)
                break
    return pairs


def _judge(a: Name, b: Name, pairs: list[_Pair]) -> Likeness:
    used_a = {i for found, _two, _score in pairs for i in found}
    used_b = {j for _one, found, _score in pairs for j in found}
    lone_a = [i for i in range(len(a.words)) if i not in used_a and a.roles[i] != "byname"]
    lone_b = [j for j in range(len(b.words)) if j not in used_b and b.roles[j] != "byname"]
    clashes = _clashes(a, b, lone_a, lone_b)
    score = worth = 0.0
    worst = 1.0
    slip = None if clashes else _slip(a, b, pairs)
    for likeness in [value for _one, _two, value in pairs] + [0.0] * len(clashes):
        if likeness == slip:
            score, worth = score + likeness, worth + 1.0
            continue
        conflict = likeness < _AGREE
        value = _CONFLICT_WORTH if conflict else 0.5 if likeness == _INITIAL else 1.0
        score += value * likeness
        worth += value
        worst = min(worst, likeness)
    missing = len(lone_a) + len(lone_b) - 2 * len(clashes)
    total = score / (worth + 0.1 * missing) if worth else 0.0
    if worst < _AGREE:
        total = min(total, 0.3 + 0.55 * worst)
    matched = sum(
        1 for one, two, value in pairs if value >= _AGREE and not (a.words[one[0]].initial or b.words[two[0]].initial)
    )
    if matched < 2 and missing:
        total = min(total, _alone(a, b, pairs))
    if a.script == b.script and a.script in _BY_CHARACTER and sorted("".join(a.written)) != sorted("".join(b.written)):
        total = min(total, 0.6)  # a character is a word there: another one of like sound is another name
    parts = _parts(a, b, pairs, clashes)
    return Likeness(parts, max(0.0, min(1.0, total)), _reasons(a, b, parts, pairs, clashes, missing), tuple(pairs))


def _slip(a: Name, b: Name, pairs: list[_Pair]) -> float | None:
    """The score of the one part, not the given name, that may be a slip of the pen: three others agree, the given one too."""
    if not (a.ordered and b.ordered):
        return None
    agreeing = [pair for pair in pairs if pair[2] >= _AGREE]
    weak = [pair for pair in pairs if pair[2] < _AGREE]
    if len(weak) != 1 or len(agreeing) < 3 or weak[0][2] <= _SLIP:
        return None
    (one, two, score) = weak[0]
    same_part = a.roles[one[0]] == b.roles[two[0]] != "given"
    given = any(a.roles[first[0]] == b.roles[second[0]] == "given" for first, second, _ in agreeing)
    return score if same_part and given else None


def _alone(a: Name, b: Name, pairs: list[_Pair]) -> float:
    """Ceiling for names that have one word in common and nothing against it: a given name alone points at nobody."""
    known = any(a.words[one[0]].families or b.words[two[0]].families for one, two, _ in pairs)
    if any(a.words[one[0]].initial or b.words[two[0]].initial for one, two, _ in pairs):
        return 0.9
    return 0.5 if known else 0.65


def _clashes(a: Name, b: Name, lone_a: list[int], lone_b: list[int]) -> list[tuple[int, int]]:
    """Words left over on both sides that stand against each other: those of one part first, then in their order."""
    left = list(lone_b)
    out: list[tuple[int, int]] = []
    rest: list[int] = []
    for i in lone_a:
        same = next((j for j in left if b.roles[j] == a.roles[i]), None)
        if same is None:
            rest.append(i)
        else:
            left.remove(same)
            out.append((i, same))
    out += list(zip(rest, left, strict=False))
    return out


def _parts(a: Name, b: Name, pairs: list[_Pair], clashes: list[tuple[int, int]]) -> dict[str, float | None]:
    found: dict[str, list[float]] = {part: [] for part in PARTS}
    for one, two, score in [*pairs, *(((i,), (j,), 0.0) for i, j in clashes)]:
        first, second = a.roles[one[0]], b.roles[two[0]]
        part = first if first == second or (a.ordered and not b.ordered) else second if b.ordered else min(first, second)
        if part in found:
            found[part].append(score)
    return {part: sum(scores) / len(scores) if scores else None for part, scores in found.items()}


def _reasons(
    a: Name, b: Name, parts: dict[str, float | None], pairs: list[_Pair], clashes: list[tuple[int, int]], missing: int
) -> tuple[str, ...]:
    out = [_PART_REASONS[part][_grade(score)] for part, score in parts.items() if score is not None]
    if any(a.words[one[0]].initial or b.words[two[0]].initial for one, two, _ in pairs):
        out.append(N_("an initial fits but proves little"))
    if missing:
        out.append(N_("a part stands in one name only and counts neither way"))
    if (
        parts["given"] is not None
        and parts["given"] < _AGREE
        and any((parts[part] or 0.0) >= _AGREE for part in ("father", "family"))
    ):
        out.append(N_("the rest agrees, as between brothers and sisters"))
    if not (a.ordered and b.ordered) and any(a.roles[one[0]] != b.roles[two[0]] for one, two, _ in pairs):
        out.append(N_("the words stand in another order"))
    if not pairs and not clashes:
        out.append(N_("no word is alike"))
    return tuple(out)


def _grade(score: float) -> int:
    return 0 if score >= 0.995 else 1 if score >= _AGREE else 2


_PART_REASONS = {
    "given": (
        N_("the given name is the same"), N_("the given name is written in another way"),
        N_("the given name is another"),
    ),
    "father": (
        N_("the father's or middle name is the same"), N_("the father's or middle name is written in another way"),
        N_("the father's or middle name is another"),
    ),
    "grandfather": (
        N_("the grandfather's name is the same"), N_("the grandfather's name is written in another way"),
        N_("the grandfather's name is another"),
    ),
    "family": (
        N_("the family name is the same"), N_("the family name is written in another way"),
        N_("the family name is another"),
    ),
}  # fmt: skip
