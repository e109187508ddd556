"""The name model: read a written name, propose candidates, compare two names part by part.

Invariant: this module is the whole of what others use of names; everything in it is a pure function of text.

    a, b = parse("محمد أحمد الخطيب"), parse("Mohammed Ahmad al-Khatib")
    if skeletons(a) & skeletons(b):
        compare(a, b).total
"""

from amparo.verify.names_compare import SAME, Likeness, compare
from amparo.verify.names_parse import PARTS, Name, Word, parse, skeletons

__all__ = ["PARTS", "SAME", "Likeness", "Name", "Word", "compare", "parse", "skeletons"]
