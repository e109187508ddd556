"""Brings the catalogues of sentences up to date: ``python catalogues.py`` after a sentence was added; ``--check`` only tells.

Invariant: every sentence a user may read, in a module, a template or a list of terms, is in every catalogue of
``src/amparo/locale``; what is translated stays, what no longer occurs goes.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

ROOT: Final = Path(__file__).parent / "src" / "amparo"
LOCALE: Final = ROOT / "locale"
WORDS: Final[dict[str, None]] = {"_": None, "N_": None, "gettext": None}
_TEMPLATE: Final = {"trimmed": "true", "newstyle_gettext": "true"}


def messages() -> Iterator[str | tuple[str, ...]]:
    """Every sentence, or the pair of one and many."""
    for path in sorted(ROOT.rglob("*.py")):
        keywords = {**WORDS, "ngettext": (1, 2)}
        with path.open("rb") as file:
            yield from (found[1] for found in extract("python", file, keywords=keywords, options={"encoding": "utf-8"}))
    for path in sorted((ROOT / "web" / "templates").glob("*.html")):
        with path.open("rb") as file:
            for _line, _name, found, _comments in babel_extract(file, ("_", "gettext", "ngettext"), (), _TEMPLATE):
                yield from _told(found)
    for path in sorted((ROOT / "record" / "terms").glob("*.yaml")):
        yield from _labels(yaml.safe_load(path.read_text(encoding="utf-8")))
    rules = yaml.safe_load((ROOT / "verify" / "rules.yaml").read_text(encoding="utf-8"))
    for rule in (*rules["contradictions"], *rules["undercuts"]):
        yield from (rule["id"], rule["sentence"])


def _told(found: object) -> Iterator[str | tuple[str, ...]]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, (tuple, list)):
        words = [word for word in found if isinstance(word, str)]
        if len(words) >= 2:
            yield words[0], words[1]
        elif words:
            yield words[0]


def _labels(data: object) -> Iterator[str]:
    """Whatever is called ``label`` in a list of terms."""
    if isinstance(data, dict):
        for name, value in data.items():
            if name == "label" and isinstance(value, str):
                yield value
            elif name != "words":
                yield from _labels(value)
    elif isinstance(data, list):
        for one in data:
            yield from _labels(one)


def template() -> Catalog:
    """The catalogue without translations."""
    made = Catalog(project="Amparo", copyright_holder="the authors of Amparo", fuzzy=False, charset="utf-8")
    for message in messages():
        if message:
            made.add(message, flags=_flags(message))
    return made


def _flags(message: str | tuple[str, ...]) -> list[str]:
    text = message if isinstance(message, str) else message[0]
    return ["python-format"] if "%(" in text else ["python-brace-format"] if "{" in text else []


def _done(message: Message) -> bool:
    return all(message.string or [""]) if message.pluralizable else bool(message.string)


def main() -> int:
    """Update or check; returns the exit code."""
    check = "--check" in sys.argv
    wanted = template()
    stale = 0
    for path in sorted(LOCALE.glob("*/LC_MESSAGES/amparo.po")):
        with path.open("rb") as file:
            held = read_po(file, locale=path.parent.parent.name)
        held.update(wanted, no_fuzzy_matching=True, update_creation_date=False)
        held.obsolete.clear()
        held.header_comment = "# Sentences of Amparo. Made by catalogues.py: translate here, change nothing else."
        out = io.BytesIO()
        write_po(out, held, width=120, no_location=True, sort_output=True, omit_header=False, ignore_obsolete=True)
        missing = sum(1 for message in held if message.id and not _done(message))
        print(f"{path.parent.parent.name}: {len(held)} sentences, {missing} not translated")
        if out.getvalue() != path.read_bytes():
            stale += 1
            if not check:
                path.write_bytes(out.getvalue())
    if check and stale:
        print("The catalogues are not up to date: run `python catalogues.py` and commit what it changes.")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
