"""A written name taken apart: given name, father's, grandfather's, family name, each as words in Latin letters.

Invariants: every word of the text that is no title, article or particle goes into exactly one part, or is the byname (kunya);
``raw`` is the text as given; a ``Name`` shows no letter of the name where it is printed or logged. At most ``MOST_WORDS``
words are read, so that a hostile text costs no more than a name.

Orders read: Russian and Chechen (family given patronymic, given patronymic family), Arabic (given father grandfather family,
with bin/ibn/bint, abu/umm, articles written apart, joined or assimilated), English and others (given ... family), and
"Family, Given". Where nothing in the text tells the order, ``ordered`` is False and no comparison relies on it.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from amparo.kernel.text import printable, script_of
from amparo.verify.names_fold import romanise, skeleton, sound
from amparo.verify.names_inflect import nominatives
from amparo.verify.names_lexicon import families, from_arabic

LONGEST = 300
MOST_WORDS = 10
PARTS = ("given", "father", "grandfather", "family")
_KEPT = 50_000


@dataclass(frozen=True, slots=True, repr=False)
class Word:
    """One word of a name: Latin letters, the code of its sounds; short vowels missing; an initial; the root of a patronymic."""

    latin: str
    code: bytes
    bare: bool
    initial: bool
    families: frozenset[int]
    patronymic: bool = False

    def __repr__(self) -> str:
        return f"Word({len(self.latin)} letters)"


@dataclass(frozen=True, slots=True, repr=False)
class Name:
    """A name in parts. ``written`` holds the words as they stand, ``nominative`` the same in the nominative (Russian)."""

    raw: str
    script: str
    given: tuple[str, ...]
    father: tuple[str, ...]
    grandfather: tuple[str, ...]
    family: tuple[str, ...]
    byname: tuple[str, ...] = ()
    ordered: bool = False
    written: tuple[str, ...] = ()
    nominative: tuple[str, ...] = ()
    words: tuple[Word, ...] = field(default=(), compare=False)
    roles: tuple[str, ...] = field(default=(), compare=False)

    def __repr__(self) -> str:
        return f"Name({len(self.words)} words, {self.script})"


_TITLES = frozenset("""
mr mrs ms miss dr prof professor sir lord dame gen general col colonel maj major capt captain lt lieutenant sgt sergeant
president minister shaikh sheikh shaykh sheik shaik hajj haji hadji hajji mullah mulla maulana mawlana mawlawi maulavi mawlavi
molvi qari ayatollah imam ustadh eng engineer excellency hon honourable king queen prince princess herr frau monsieur madame
gospodin gospozha gn gzha polkovnik mayor kapitan leytenant serzhant
السيد السيدة الشيخ الشيخة الدكتور الدكتورة المهندس الحاج الحاجة اللواء العميد العقيد المقدم الرائد النقيب الملازم الشهيد
الشهيدة الاستاذ الأستاذ
""".split())  # fmt: skip
_SUFFIXES = frozenset("jr sr ii iii iv junior senior".split())
_SON = frozenset("bin ibn bint binti ould wuld بن ابن بنت".split())
_ARTICLES = frozenset("al el ul".split())
_ASSIMILATED = frozenset("as ash ar an at az ad ed ud es esh er en et ez ur us".split())
_PARTICLES = frozenset("van von der den de del della di da dos das du la le las los ter ten zu y af av".split())
_FATHER_OF = frozenset("abu abou abi abo bou ابو أبو ابي أبي".split())
_MOTHER_OF = frozenset("umm um oum ام أم".split())
_SLAVE = frozenset("abd abdul abdel abdal abdol abdur abdus abdoul عبد".split())
_CHILD_OF = frozenset("ogly oglu ogli oglou kyzy qizi kizi gyzy uulu uly".split())
_SQUEEZED = re.compile("(?<=[a-zà-ÿа-яё]{3})(?=[A-ZА-ЯЁ][a-zа-яё]{2})")
_MARKS = re.compile("['’‘ʼʹʻʿʾ`´′\"“”«»()\\[\\]]+")
_BREAKS = re.compile(r"[\s\-‐‑–—_./;:|]+")
_HYPHENED = re.compile(r"([^\s.]+?)[-‐‑–]")
_PATRONYMIC = re.compile(
    "(?:ov|ev|yev|iev|ow|ew|ov)(?:ich|ych|itch|itsch|ic)$|(?:ov|ev|yev|iv|yiv|ich|inich)na$|(?<=[l])ich$|(?:kuzmich|fomich|lukich|nikitich)$"
)
_SURNAME = re.compile("(?:[oey]v|[iy]n|sk[iy]y?|skij|skyy|enko|chuk|shvili|dze|iants|ova|eva|ina|skaya|skaia|ska)$")
_PATRONYMIC_ROOT = re.compile("(?:[ye]?[eoi][vw])?(?:ich|ych|itch|itsch|ichna|inichna|na)$")
_FEMININE = re.compile("(?<=[oeyi]v)a$|(?<=in)a$|skaya$|skaia$|skaja$")


def parse(text: str) -> Name:
    """Read one written name. Whatever is given, a Name comes back; it is empty (no words) for a text without a letter."""
    return parsed(text) if len(text) <= LONGEST else parsed(text[:LONGEST])


@dataclass(slots=True)
class _Piece:
    """A word on its way: as written, Latin, and what stood before it (article, son-of)."""

    written: str
    latin: str
    bare: bool = False
    initial: bool = False
    article: bool = False
    son: bool = False
    kunya: bool = False
    capitals: bool = False
    child: bool = False


@lru_cache(maxsize=_KEPT)
def parsed(raw: str) -> Name:
    """``parse`` with a memory; ``names.forget`` empties it."""
    text = _SQUEEZED.sub(" ", _MARKS.sub("", unicodedata.normalize("NFKC", printable(raw))))
    script = script_of(text)
    before, comma, after = text.partition(",")
    turned = bool(comma) and bool(after.strip()) and after.strip(" .").lower() not in _SUFFIXES
    pieces = _pieces(before, script)
    count = len(pieces)
    if after:
        pieces += _pieces(after.replace(",", " "), script)
    pieces = pieces[:MOST_WORDS]
    if turned and 0 < count < len(pieces):
        pieces = pieces[count:] + pieces[:count]
    written = tuple(piece.written for piece in pieces)
    nominative = written
    if script == "Cyrl":
        nominative = nominatives(written)
        for piece, word in zip(pieces, nominative, strict=True):
            if word != piece.written:
                piece.latin = romanise(word)
    roles, ordered = _roles(pieces, script, family_last=turned)
    words = tuple(_word(piece, role) for piece, role in zip(pieces, roles, strict=True))
    parts = {
        part: tuple(word.latin for word, role in zip(words, roles, strict=True) if role == part) for part in (*PARTS, "byname")
    }
    return Name(raw, script, ordered=ordered, written=written, nominative=nominative, words=words, roles=tuple(roles), **parts)


def _word(piece: _Piece, role: str) -> Word:
    latin = piece.latin
    patronymic = role == "father" and not piece.initial and bool(_PATRONYMIC.search(latin))
    if patronymic:
        latin = _PATRONYMIC_ROOT.sub("", latin) or latin
    elif role == "family":
        latin = _FEMININE.sub(lambda match: "sky" if match[0].startswith("sk") else "", latin)
    known = frozenset() if piece.initial else families(latin)
    return Word(latin, sound(latin), piece.bare, piece.initial, known, patronymic or piece.child)


def _pieces(text: str, script: str) -> list[_Piece]:
    """The words of a text, titles and articles gone, compounds (abd al-X, X al-din, abu X) joined."""
    hyphened = {match.lower() for match in _HYPHENED.findall(text)}
    dotted = "." in text
    out: list[_Piece] = []
    article = son = False
    joiner = ""
    tokens = [token for token in _BREAKS.split(text) if token.strip(",")][: 3 * MOST_WORDS]
    for index, token in enumerate(tokens):
        lower = token.strip(",").lower()
        last = index == len(tokens) - 1
        if not last and not article and lower in _TITLES and len(tokens) > 1:
            continue
        if lower in _SUFFIXES and out:
            continue
        if not last and ((lower in _SON or (lower == "ben" and out)) and (out or len(tokens) > 2)):
            son = True
            continue
        if not last and (
            lower in _ARTICLES or (lower in _ASSIMILATED and (lower in hyphened or joiner == "abdul")) or lower == "آل"
        ):
            article = True
            continue
        if not last and len(tokens) > 2 and token.islower() and lower in _PARTICLES:
            continue
        if not last and (lower in _SLAVE or lower in _FATHER_OF or lower in _MOTHER_OF):
            joiner = "abdul" if lower in _SLAVE else "abu" if lower in _FATHER_OF else "umm"
            continue
        piece = _piece(token, joiner, script, dotted=dotted)
        if piece is None:
            continue
        piece.article, piece.son = article or piece.article, son
        article = son = False
        joiner = ""
        if lower in _CHILD_OF and out:
            out[-1].child = True
            continue
        if out and not piece.kunya and _belongs_to_previous(piece, out[-1]):
            _join(out[-1], piece)
            continue
        out.append(piece)
    return out


def _belongs_to_previous(piece: _Piece, previous: _Piece) -> bool:
    """Nur al-Din, Nasr Allah: one name in two words."""
    return (not previous.initial) and (
        (piece.article and piece.latin in ("din", "deen", "dine", "dyn")) or piece.latin in ("allah", "allh")
    )


def _join(previous: _Piece, piece: _Piece) -> None:
    previous.written += piece.written if script_of(piece.written) == "Arab" else " " + piece.written
    known = from_arabic(previous.written) if previous.bare else ""
    bare, full = ("dyn", "uddin") if piece.latin.startswith("d") else ("llh", "allah")
    ending = bare if previous.bare else full
    previous.latin = known or previous.latin + ending
    previous.bare = previous.bare and not known


def _piece(token: str, joiner: str, script: str, *, dotted: bool) -> _Piece | None:
    written = token.strip(",")
    if script_of(written) == "Arab":
        return _arabic_piece(written, joiner)
    latin = romanise(written)
    if not latin:
        return None
    initial = len(written) == 1 or (
        dotted and len(written) == 2 and written in ("Yu", "Ya", "Zh", "Sh", "Ch", "Kh", "Ts", "Ye")
    )
    if joiner:
        latin, written, initial = joiner + latin, f"{joiner} {written}", False
    latin = re.sub("(?<=...)(?:[aeu]l|[aeu]d|al)d[iey]+ne?$", "uddin", latin)
    return _Piece(written, latin, initial=initial and script in ("Latn", "Cyrl"), kunya=joiner in ("abu", "umm"),
                  capitals=len(token) > 1 and token.isupper())  # fmt: skip


_GLUED = {"عبدال": "abdul", "ابو": "abu", "أبو": "abu"}


def _arabic_piece(written: str, joiner: str) -> _Piece | None:
    if not joiner and not from_arabic(written):
        glued = next((start for start in _GLUED if written.startswith(start) and len(written) >= len(start) + 3), "")
        if glued:
            return _arabic_piece(("ال" if glued == "عبدال" else "") + written[len(glued) :], _GLUED[glued])
    prefix = {"abdul": "عبدال", "abu": "", "umm": "", "": ""}[joiner]
    article = written.startswith("ال") and len(written) > 4
    stem = written[2:] if article and written != "الله" else written
    known = from_arabic("عبدالله" if joiner == "abdul" and written == "الله" else prefix + stem)
    latin = known or (joiner if joiner == "abdul" else "") + romanise(stem)
    if not latin:
        return None
    bare = not known
    if joiner in ("abu", "umm"):
        latin = joiner + latin
    whole = ("عبد" if joiner == "abdul" else "ابو" if joiner == "abu" else "ام" if joiner else "") + written
    return _Piece(whole, latin, bare=bare, article=article, kunya=joiner in ("abu", "umm"))


def _roles(pieces: list[_Piece], script: str, *, family_last: bool) -> tuple[list[str], bool]:
    """A part for each word, and whether the text itself tells them apart."""
    count = len(pieces)
    if count <= 1:
        return (["given" if pieces[0].latin and families(pieces[0].latin) else "family"] if pieces else []), False
    roles = [""] * count
    core = list(range(count))
    if pieces[0].kunya and count > 2:
        roles[0] = "byname"
        core = core[1:]
    patronymic = _patronymic(pieces, core)
    if patronymic is not None:
        _russian(pieces, core, patronymic, roles)
        return roles, True
    if family_last:
        _chain(roles, core)
        return roles, True
    if pieces[core[0]].son:  # "bin X Y": what stands first is not the given name
        _chain(roles, [*core[1:], core[0]])
        return roles, False
    if script == "Arab" or any(piece.son or piece.article for piece in pieces):
        _arabic(pieces, core, roles)
        return roles, True
    capitals = [index for index in core if pieces[index].capitals]
    if capitals and any(not pieces[index].capitals and not pieces[index].initial for index in core):
        others = [index for index in core if index not in capitals]
        _chain(roles, [*others, capitals[-1]])
        for index in capitals:
            roles[index] = "family"
        return roles, True
    slavic = [index for index in core if _SURNAME.search(pieces[index].latin) and not families(pieces[index].latin)]
    if slavic == [core[0]] and script == "Cyrl" and not _SURNAME.search(pieces[core[-1]].latin):
        _chain(roles, [*core[1:], core[0]])
        return roles, False
    _chain(roles, core)
    return roles, False


def _patronymic(pieces: list[_Piece], core: list[int]) -> int | None:
    marked = [index for index in core if pieces[index].child]
    if marked:
        return marked[0] if len(core) > 1 else None
    if len(core) < 3:
        return None
    found = [index for index in core[1:] if _PATRONYMIC.search(pieces[index].latin) and not pieces[index].latin.endswith("ic")]
    return found[0] if found else None


def _russian(pieces: list[_Piece], core: list[int], father: int, roles: list[str]) -> None:
    """Given name before the patronymic; the family name is what stands before both or after both."""
    roles[father] = "father"
    at = core.index(father)
    rest_before, rest_after = core[:at], core[at + 1 :]
    if rest_before:
        roles[rest_before[-1]] = "given"
        for index in rest_before[:-1]:
            roles[index] = "family" if not rest_after or not pieces[index].initial else "given"
    for index in rest_after:
        roles[index] = "family"


def _arabic(pieces: list[_Piece], core: list[int], roles: list[str]) -> None:
    """Given, father, grandfather, family; after "son of" stands a father, with an article at the end the family."""
    last = core[-1]
    family_known = not pieces[last].son and (len(core) > 2 or pieces[last].article or not pieces[last].son)
    chain = core if family_known else [*core, -1]
    names = chain[:-1]
    roles[names[0]] = "given"
    for place, index in enumerate(names[1:]):
        roles[index] = "father" if place == 0 else "grandfather"
    if family_known:
        roles[last] = "family"


def _chain(roles: list[str], order: list[int]) -> None:
    """Given, middle names, family."""
    roles[order[0]] = "given"
    for index in order[1:-1]:
        roles[index] = "father"
    roles[order[-1]] = "family"


def skeletons(name: Name) -> frozenset[str]:
    """Blocking keys: the consonants of each word that is no initial, and of each pair of neighbours as one."""
    words = [word.latin for word in name.words if not word.initial]
    keys = {skeleton(word) for word in words}
    keys |= {skeleton(one + two) for one, two in pairwise(words)}
    return frozenset(key for key in keys if key)
