"""Translations keep what the program fills in: a placeholder lost or invented would end in a traceback or hide a fact."""

import string
from collections import Counter
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

import amparo

CATALOGUES = sorted((Path(amparo.__file__).parent / "locale").glob("*/LC_MESSAGES/amparo.po"))


def fields(text: str, message: Message) -> Counter[str]:
    """What is filled in: {name:,} or %(name)s, by its name and format; none where the program does not format the sentence."""
    if "python-format" in message.flags:
        return Counter(piece.partition(")")[0] for piece in text.split("%(")[1:])
    if "python-brace-format" in message.flags:
        return Counter(f"{name}!{form}:{spec}" for _, name, spec, form in string.Formatter().parse(text) if name is not None)
    return Counter()


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.parent.name)
def test_a_translation_fills_in_what_its_source_does(path: Path) -> None:
    """Each translated sentence has the placeholders of its source, and each plural form none that the source lacks."""
    with path.open("rb") as file:
        catalogue = read_po(file, locale=path.parent.parent.name)
    wrong, seen = [], 0
    for message in catalogue:
        if not message.id or not message.string:
            continue
        sources = [message.id] if isinstance(message.id, str) else list(message.id)
        given = [message.string] if isinstance(message.string, str) else list(message.string)
        if len(sources) == 1:
            differ = [text for text in given if fields(text, message) != fields(sources[0], message)]
        else:  # a form for one may leave the number out
            allowed = {name for text in sources for name in fields(text, message)}
            differ = [text for text in given if not set(fields(text, message)) <= allowed]
        seen += 1
        wrong += [(message.id, text) for text in differ]
    assert seen > 50
    assert not wrong
