"""The name model: read a written name, propose candidates, compare two names part by part.

Invariant: this module is the whole of what others use of names; everything in it is a pure function of text. Words of names
stay in caches of this process until ``forget``; nothing is written anywhere.

    a, b = parse("محمد أحمد الخطيب"), parse("Mohammed Ahmad al-Khatib")
    if skeletons(a) & skeletons(b):
        compare(a, b).total
"""

from amparo.verify import names_bodies, names_compare, names_fold, names_inflect, names_lexicon, names_parse
from amparo.verify.names_compare import SAME, Likeness, compare
from amparo.verify.names_parse import PARTS, Name, Word, parse, skeletons

__all__ = ["PARTS", "SAME", "Likeness", "Name", "Word", "compare", "forget", "parse", "skeletons"]

_CACHES = (
    names_parse.parsed, names_bodies.parsed, names_compare.alike_kept, names_fold.romanised, names_fold.sound,
    names_fold.skeleton, names_inflect.cases, names_lexicon.families,
)  # fmt: skip


def forget() -> None:
    """Empty the caches: called when sealed names were compared, so that a process that lives on keeps none of them."""
    for cache in _CACHES:
        cache.cache_clear()
