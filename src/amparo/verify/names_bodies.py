"""Names of organisations, units and ships: legal forms levelled, numbers as digits, common words counting little.

Invariants: as for names of persons (symmetric, total in [0, 1], no letter of a name in the reasons); two names whose numbers
differ (the 3rd and the 45th brigade) never reach ``SAME``.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from amparo.kernel.i18n import N_
from amparo.kernel.text import printable, script_of
from amparo.verify.names_compare import Likeness, alike
from amparo.verify.names_fold import romanise, skeleton, sound
from amparo.verify.names_parse import PARTS, Word

LONGEST = 300
MOST_WORDS = 20
_COMMON, _PLACE, _AGREE = 0.3, 0.5, 0.72

_FORMS = {
    "llc": "limited liability company|limited liability partnership|obshchestvo s ogranichennoy otvetstvennostyu|llc|llp"
    "|ltd|limited"
    "|ooo|gmbh|gesellschaft mit beschrankter haftung|sarl|srl|societatea cu raspundere limitata|sp z oo|sp z o o|sp zoo"
    "|spzoo|sro|s r o|bv|b v|pte ltd|pte|pty|pvt|private limited|too|tov|lda|ltda|oy|ab|as|aps|kft|doo",
    "jsc": "public joint stock company|open joint stock company|closed joint stock company|joint stock company|joint stock"
    "|publichnoe aktsionernoe obshchestvo|otkrytoe aktsionernoe obshchestvo|zakrytoe aktsionernoe obshchestvo"
    "|aktsionernoe obshchestvo"
    "|aktiengesellschaft|ag|ao|oao|pao|zao|jsc|pjsc|ojsc|cjsc|sa|s a|spa|s p a|se|nv|n v|plc|sae|sak|anonim sirketi"
    "|societe anonyme|sab de cv|sa de cv",
    "inc": "incorporated|inc|corporation|corp|company|co|korporatsiya",
}  # fmt: skip
_FORM_OF = sorted(
    ((tuple(form.split()), kind) for kind, forms in _FORMS.items() for form in forms.split("|")), key=lambda row: -len(row[0])
)
_ANY_FORM = {form[0] for form, _ in _FORM_OF}
_NUMBERS = {
    word: str(number)
    for number, words in enumerate(
        "zero|one first i|two second ii|three third iii|four fourth iv|five fifth v|six sixth vi|seven seventh vii"
        "|eight eighth viii"
        "|nine ninth ix|ten tenth|eleven eleventh xi|twelve twelfth xii|thirteen thirteenth xiii|fourteen fourteenth xiv"
        "|fifteen fifteenth xv"
        "|sixteen sixteenth xvi|seventeen seventeenth xvii|eighteen eighteenth xviii|nineteen nineteenth xix".split("|")
    )
    for word in words.split()
}  # fmt: skip
_TENS = {"twenty": 20, "twentieth": 20, "thirty": 30, "thirtieth": 30, "forty": 40, "fortieth": 40, "fifty": 50, "fiftieth": 50,
         "sixty": 60,
         "seventy": 70, "eighty": 80, "ninety": 90}  # fmt: skip
_COMMON_WORDS = frozenset("""
group bank holding holdings international global trading trade industries industry industrial services service systems system
enterprise enterprises general national state federal central committee ministry department directorate office bureau agency
organization organisation association foundation fund trust capital management investment investments development engineering
technology technologies energy oil gas petroleum shipping lines line airlines aviation transport logistics factory plant works
institute university center centre research company firm brigade battalion division regiment army corps unit forces force front
movement party union federation council club insurance financial finance construction partners solutions products steel
motors motor machines machinery electric electronics power communications media network networks
banka gruppa gruppy zavod tsentr institut upravlenie otdel batalon polk brigada diviziya otryad ministerstvo
ship vessel mv mt tanker lady star
""".split())  # fmt: skip
_PLACES = frozenset("""
russia russian china chinese america american usa us uk britain british germany german deutsche france french europe european
asia
asian africa african iran iranian iraq syria syrian turkey turkish ukraine ukrainian poland schweiz swiss switzerland mexico
india
indian japan japanese korea korean north south east west northern southern eastern western arab arabian islamic moscow london
new
""".split())  # fmt: skip
_SHORT_FORMS = {"intl": "international", "dept": "department", "natl": "national", "govt": "government", "assoc": "association",
                "univ": "university", "inst": "institute", "mfg": "manufacturing", "bros": "brothers", "usa": "us",
                "tech": "technology", "mgmt": "management", "engr": "engineering", "svcs": "services", "sys": "systems",
                "min": "ministry", "fed": "federal", "rep": "republic", "gov": "government"}  # fmt: skip
_STOP = frozenset("the of and for de la le du des und der die das al el i and a".split())
_ORDINAL = re.compile(r"^(\d+)(?:st|nd|rd|th|y|ya|oy|i|aya|go)$")
_LETTERS_APART = re.compile(r"\b(?:[^\W\d_][.\s]){2,}(?:[^\W\d_]\b)?")
_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True, repr=False)
class Body:
    """A body's name: its words but the legal form (a kind: llc, jsc, inc or ""), its numbers, the weight of each word."""

    raw: str
    words: tuple[Word, ...]
    weights: tuple[float, ...]
    numbers: tuple[str, ...]
    form: str
    acronym: str

    def __repr__(self) -> str:
        return f"Body({len(self.words)} words)"


def parse_body(text: str) -> Body:
    """Read the name of an organisation, a unit or a ship; only the first 300 characters and 20 words are read."""
    return parsed(text[:LONGEST])


@lru_cache(maxsize=20_000)
def parsed(raw: str) -> Body:
    """``parse_body`` with a memory; ``names.forget`` empties it."""
    text = unicodedata.normalize("NFKC", printable(raw)).replace("&", " and ")
    text = re.sub("['’‘`ʼ]", "", text)
    text = _LETTERS_APART.sub(lambda match: re.sub(r"[.\s]", "", match[0]) + " ", text)
    tokens = [(token, romanise(token) or token) for token in _WORDS.findall(text)][: 3 * MOST_WORDS]
    plain = " ".join(_SHORT_FORMS.get(word, word) for word in (_plain(token, roman) for token, roman in tokens))
    latin, form = _without_form(plain.replace("united states", "us").replace("united kingdom", "uk").split())
    latin, numbers = _numbers(latin)
    kept = [word for word in latin if word not in _STOP] or latin
    kept = kept[:MOST_WORDS]
    bare = script_of(text) == "Arab"
    words = tuple(Word(word, sound(word), bare, initial=False, families=frozenset()) for word in kept)
    weights = tuple(_COMMON if word in _COMMON_WORDS else _PLACE if word in _PLACES else 1.0 for word in kept)
    return Body(raw, words, weights, numbers, form, "".join(word[0] for word in kept))


def _plain(token: str, roman: str) -> str:
    ordinal = _ORDINAL.match(token.lower())
    return ordinal[1] if ordinal else token if token.isdecimal() else roman


def _without_form(words: list[str]) -> tuple[list[str], str]:
    """The words without those of a legal form, and its kind; a name that is nothing but a form keeps its words."""
    out: list[str] = []
    kind = ""
    index = 0
    while index < len(words):
        found = (
            next(((form, of) for form, of in _FORM_OF if tuple(words[index : index + len(form)]) == form), None)
            if words[index] in _ANY_FORM
            else None
        )
        if found is None:
            out.append(words[index])
            index += 1
            continue
        kind = kind or found[1]
        index += len(found[0])
    return (out, kind) if out else (words, "")


def _numbers(words: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Number words and Roman numerals as digits, taken out of the words."""
    out: list[str] = []
    numbers: list[str] = []
    ten = 0
    for word in words:
        if word in _TENS:
            ten = _TENS[word]
            numbers.append(str(ten))
        elif word.isdecimal():
            numbers.append(str(int(word[:18])))
            ten = 0
        elif word in _NUMBERS and (len(word) > 1 or (word == "i" and out)):
            number = int(_NUMBERS[word])
            if ten and number < 10:
                numbers[-1] = str(ten + number)
            else:
                numbers.append(str(number))
            ten = 0
        else:
            out.append(word)
            ten = 0
    return (out, tuple(sorted(numbers))) if out else (numbers, tuple(sorted(numbers)))


def body_skeletons(body: Body) -> frozenset[str]:
    """Keys for candidates: the consonants of each telling word, or of all where none tells."""
    telling = [word for word, weight in zip(body.words, body.weights, strict=True) if weight == 1.0] or list(body.words)
    return frozenset(key for key in (skeleton(word.latin) or word.latin for word in telling) if key)


def compare_bodies(a: Body, b: Body) -> Likeness:
    """Compare two names read by ``parse_body``. Parts are None: a body's name has none of a person's."""
    parts: dict[str, float | None] = dict.fromkeys(PARTS)
    if not a.words or not b.words:
        return Likeness(parts, 0.0, (N_("one of the names is empty"),))
    score = max(_aligned(a, b), _squashed(a, b), _short(a, b), _short(b, a))
    reasons = [
        N_("the words are the same")
        if score >= 0.995
        else N_("the words are alike")
        if score >= 0.7
        else N_("the words differ")
    ]
    if a.numbers != b.numbers:
        both = bool(a.numbers and b.numbers)
        score = min(score, 0.45) if both else score * 0.85
        reasons.append(N_("the numbers differ") if both else N_("a number stands in one name only"))
    if a.form and b.form and a.form != b.form:
        score *= 0.97
        reasons.append(N_("the legal form is another"))
    return Likeness(parts, score, tuple(reasons))


def _aligned(a: Body, b: Body) -> float:
    scored = sorted(((alike(word, other), i, j) for i, word in enumerate(a.words) for j, other in enumerate(b.words)),
                    key=lambda entry: (-entry[0], abs(entry[1] - entry[2]), entry[1] + entry[2]))  # fmt: skip
    free_a, free_b = set(range(len(a.words))), set(range(len(b.words)))
    got = 0.0
    worst = 1.0
    for score, i, j in scored:
        if i in free_a and j in free_b and score >= 0.6:
            free_a.discard(i)
            free_b.discard(j)
            got += score * (a.weights[i] + b.weights[j])
            if max(a.weights[i], b.weights[j]) == 1.0:
                worst = min(worst, score)
    whole = sum(a.weights) + sum(b.weights)
    total = got / whole
    if free_a and free_b:
        clash = min(max(a.weights[i] for i in free_a), max(b.weights[j] for j in free_b))
        total = min(total, 0.68 - 0.13 * clash)
    return min(total, 0.3 + 0.55 * worst) if worst < _AGREE else total


def _squashed(a: Body, b: Body) -> float:
    """Words split or joined: the names as one word each."""
    one, two = ("".join(word.latin for word in body.words)[:40] for body in (a, b))
    if abs(len(one) - len(two)) > 3 or len(a.words) == len(b.words):
        return 0.0
    bare = a.words[0].bare, b.words[0].bare
    score = alike(
        Word(one, sound(one), bare[0], initial=False, families=frozenset()),
        Word(two, sound(two), bare[1], initial=False, families=frozenset()),
    )
    return score if score >= 0.88 else 0.0


def _short(a: Body, b: Body) -> float:
    """One name is the initials of the other."""
    return 0.75 if len(a.words) == 1 and 3 <= len(b.acronym) <= 8 and a.words[0].latin == b.acronym else 0.0
