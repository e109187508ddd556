"""From a manifest to what the template draws: words, numbers of notes, directions, positions. Text stays data throughout.

Invariant: whatever a source wrote reaches Typst as a JSON string and is set as a string, never parsed as markup; characters
that would reorder or hide what a reader sees (controls, bidirectional overrides) are left out.
"""

import re
import unicodedata
from dataclasses import asdict
from datetime import date
from functools import cache, lru_cache
from typing import Any

from amparo.dossier import timeline, words
from amparo.dossier.manifest import (
    Actor,
    Cell,
    ClaimRef,
    Contradiction,
    Figure,
    Manifest,
    Mark,
    Paragraph,
    Section,
    Sentence,
    Source,
    ranges,
)
from amparo.kernel.text import script_of
from amparo.record import vocabulary

_RIGHT_TO_LEFT = {"Arab": "ar", "Hebr": "he"}
_MAYBE = re.compile("[\u0590-\u08ff\ufb1d-\ufefc]")
# letter and form of a role's sign: support a disc, voice a square, neither an outline, refusal an outlined square
_SIGNS: dict[str, tuple[str, str]] = {
    "delivered": ("D", "disc"), "joined": ("J", "disc"), "invoked": ("I", "disc"), "sponsored": ("S", "disc"),
    "yes": ("Y", "disc"), "called": ("C", "square"), "raised": ("R", "square"), "concern": ("E", "square"),
    "condemned": ("K", "square"), "urged": ("U", "square"), "requested": ("Q", "square"), "asked": ("A", "ring"),
    "abstain": ("O", "ring"), "absent": ("B", "ring"), "declined": ("X", "box"), "no": ("N", "box"),
    "not raised": ("F", "box"),
}  # fmt: skip
_LADDER = "standard of proof"
_LOCATORS = 3  # more places or speakers than this are not listed in one note; the claims' handles always are


def data(manifest: Manifest) -> dict[str, Any]:
    """All the template needs, as plain JSON values."""
    shape = _Shape(manifest)
    shown = {
        "words": shape.words(), "language": manifest.language, "title": clean(manifest.title), "demo": manifest.demo,
        "date": manifest.head_date, "date words": words.day(date.fromisoformat(manifest.head_date)),
        "hash": manifest.head_hash, "purpose": words.plain(manifest.purpose), "audience": words.plain(manifest.audience),
        "chosen": [clean(f"{handle} {label}".strip()) for handle, label in manifest.chosen],
        "standards": [_label(_LADDER, standard) for standard in manifest.standards],
        "counts": [[words.counted(kind), str(count)] for kind, count in manifest.counts],
        "figures": [shape.figure(figure) for figure in manifest.figures],
        "grounds": [[_label("ground", ground), cell] for ground, cell in manifest.ground_counts],
        "timeline": timeline.draw(manifest.marks), "marks": [shape.mark(mark) for mark in manifest.marks],
        "contradictions": [shape.contradiction(item) for item in manifest.contradictions],
        "actors": [shape.actor(actor) for actor in manifest.actors],
        "matrix": shape.matrix(),
        "sources": [_source(source) for source in manifest.sources],
        "persons": [list(person) for person in manifest.persons],
        "overrides": [asdict(override) for override in manifest.overrides],
        "index": [shape.index(paragraph) for paragraph in manifest.paragraphs()],
    }  # fmt: skip
    for name in ("events", "measures", "proceedings", "protection"):
        shown[name] = [shape.section(section) for section in getattr(manifest, name)]
    return shown


class _Shape:
    """What needs to look up a claim, a source or a paragraph."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._claims = {claim.handle: claim for claim in manifest.claims}
        self._sources = {source.handle: source for source in manifest.sources}
        self._numbers = {paragraph.number for paragraph in manifest.paragraphs()}
        self._told_in = {claim: paragraph.number for paragraph in manifest.paragraphs() for claim in paragraph.claims()}

    def words(self) -> dict[str, str]:
        ladder = ", ".join(_label(_LADDER, term).lower() for term in vocabulary.load().terms(_LADDER))
        fixed = words.words()
        fixed["method 3"] = fixed["method 3"].format(ladder=ladder)
        return fixed

    def section(self, section: Section) -> dict[str, Any]:
        subtitle = " · ".join(filter(None, (section.handle, words.when(section.when) if section.when else "", section.place)))
        paragraphs = [self.paragraph(paragraph) for paragraph in section.paragraphs]
        return {"title": clean(section.title), "subtitle": clean(subtitle), "paragraphs": paragraphs}

    def paragraph(self, paragraph: Paragraph) -> dict[str, Any]:
        lead = ", ".join(part for part in (words.when(paragraph.when) if paragraph.when else "", paragraph.place) if part)
        return {
            "n": paragraph.number,
            "lead": clean(lead),
            "rtl": direction(" ".join(sentence.text for sentence in paragraph.sentences)),
            "against": [number for number in paragraph.against if number in self._numbers],
            "runs": self.runs(paragraph.sentences),
        }

    def runs(self, sentences: tuple[Sentence, ...]) -> list[dict[str, Any]]:
        """Sentences of one stance, language and place of origin together, so that one note serves them all."""
        runs: list[tuple[tuple[object, ...], list[Sentence]]] = []
        for sentence in sentences:
            first = self._claims.get(sentence.claims[0]) if sentence.claims else None
            origin = (first.source, first.passage, first.voluntariness, first.access) if first else ()
            same = (sentence.stance, sentence.language, direction(sentence.text), *origin)
            if runs and runs[-1][0] == same:
                runs[-1][1].append(sentence)
            else:
                runs.append((same, [sentence]))
        shown, before = [], ""
        for _same, together in runs:
            stance = together[0].stance
            text = clean(" ".join(sentence.text for sentence in together))
            claims = [claim for sentence in together for claim in sentence.claims]
            shown.append({
                "stance": words.stance(stance) if stance != before else "", "text": text, "rtl": direction(text),
                "lang": together[0].language, "notes": self.notes(claims),
            })  # fmt: skip
            before = stance
        return shown

    def notes(self, claims: list[str]) -> list[dict[str, str]]:
        """One note for each source and passage: the source's handle (a link) and the rest in words."""
        together: dict[tuple[str, str], list[ClaimRef]] = {}
        for handle in dict.fromkeys(claims):
            if handle in self._claims:
                claim = self._claims[handle]
                together.setdefault((claim.source, claim.passage), []).append(claim)
        return [self._note(*origin, found) for origin, found in together.items()]

    def _note(self, source: str, passage: str, claims: list[ClaimRef]) -> dict[str, str]:
        known = self._sources.get(source)
        label = clean(known.label) if known else ""
        date_words = words.when(known.date) if known and known.date else ""
        cited = ", ".join(part for part in (label, date_words) if part)
        locators = list(dict.fromkeys(clean(claim.locator) for claim in claims if claim.locator))
        where = [passage, *(locators if len(locators) <= _LOCATORS else [*locators[:_LOCATORS], "…"])]
        said = {clean(claim.said_by): None for claim in claims if claim.said_by}
        how = {word: None for claim in claims for word in _how(claim)}
        rest = [cited, ", ".join(filter(None, where)), "; ".join(said) if len(said) <= _LOCATORS else "", "; ".join(how)]
        ordered = sorted((claim.handle for claim in claims), key=lambda handle: (len(handle), handle))
        return {"source": source if known else "", "text": " · ".join(filter(None, (*rest, spans(ordered)))) + "."}

    def figure(self, figure: Figure) -> dict[str, Any]:
        return {
            "value": words.number(figure.value), "label": clean(figure.label), "about": clean(figure.about),
            "when": words.when(figure.when) if figure.when else "", "stance": words.stance(figure.stance),
            "notes": self.notes(list(figure.claims)),
        }  # fmt: skip

    def mark(self, mark: Mark) -> dict[str, Any]:
        return {
            "when": words.when(mark.when), "text": clean(mark.text), "rtl": direction(mark.text),
            "n": mark.paragraph if mark.paragraph in self._numbers else 0, "lane": mark.lane,
        }  # fmt: skip

    def contradiction(self, item: Contradiction) -> dict[str, Any]:
        assessment = None
        if item.assessment:
            found = item.assessment
            assessment = {
                "handle": found.handle, "proposition": clean(found.proposition), "standard": _label(_LADDER, found.standard),
                "outcome": _label("assessment outcome", found.outcome), "reasons": clean(found.reasons),
                "assessor": clean(found.assessor), "date": words.when(found.date) if found.date else "",
            }  # fmt: skip
        left, right = ([self._beside(each) for each in side] for side in (item.left, item.right))
        return {"left": left, "right": right, "relations": [clean(text) for text in item.relations], "assessment": assessment}

    def _beside(self, sentence: Sentence) -> dict[str, Any]:
        """One claim of several side by side: who says it, and in which paragraph it stands among its neighbours."""
        first = self._claims.get(sentence.claims[0]) if sentence.claims else None
        said = " · ".join(part for part in (*sentence.claims, clean(first.said_by) if first else "") if part)
        number = self._told_in.get(sentence.claims[0], 0) if sentence.claims else 0
        return {"said": said, "n": number, "rtl": direction(sentence.text), "runs": self.runs((sentence,))}

    def actor(self, actor: Actor) -> dict[str, Any]:
        numbers = ranges([number for number in actor.paragraphs if number in self._numbers])
        claimed = self.runs(actor.claimed)
        return {
            "handle": actor.handle,
            "name": clean(actor.name),
            "type": clean(actor.type),
            "runs": claimed,
            "named": numbers,
        }

    def matrix(self) -> dict[str, Any] | None:
        matrix = self._manifest.matrix
        if not matrix.rows:
            return None
        used = {role for row in matrix.rows for cell in row.cells if cell for role in cell.roles}
        terms = vocabulary.load().terms("position")
        order = sorted(used, key=lambda role: (terms.index(role) if role in terms else len(terms), role))
        columns = [
            {"key": chr(65 + index) if index < 26 else str(index), "label": clean(each.label),
             "when": words.when(each.when) if each.when else "", "n": each.paragraph if each.paragraph in self._numbers else 0,
             "notes": self.notes(self._column(index)) if each.handle else []}
            for index, each in enumerate(matrix.instruments)
        ]  # fmt: skip
        own = [not each.handle for each in matrix.instruments]
        rows = [
            {"code": row.code, "name": row.name, "cells": [self._cell(*pair) for pair in zip(row.cells, own, strict=True)]}
            for row in matrix.rows
        ]
        legend = [{"sign": sign(role), "label": _label("position", role)} for role in order]
        return {"columns": columns, "rows": rows, "legend": legend, "silent": any(map(_silent, self._all_cells()))}

    def _all_cells(self) -> list[Cell | None]:
        return [cell for row in self._manifest.matrix.rows for cell in row.cells]

    def _cell(self, cell: Cell | None, own: bool) -> dict[str, Any] | None:  # noqa: FBT001
        """Signs of one cell; where no instrument's note serves the column, the cell has its own."""
        if cell is None:
            return None
        told = [{"letter": "", "form": "silent"}] if _silent(cell) else []
        return {"signs": [*map(sign, cell.roles), *told], "notes": self.notes(list(cell.claims)) if own else []}

    def _column(self, index: int) -> list[str]:
        cells = (row.cells[index] for row in self._manifest.matrix.rows)
        return [claim for cell in cells if cell for claim in cell.claims]

    def index(self, paragraph: Paragraph) -> dict[str, Any]:
        """The claims of a paragraph and the entries that hold them, in short."""
        claims = paragraph.claims()
        entries = sorted({self._claims[claim].entry for claim in claims if claim in self._claims})
        return {
            "n": paragraph.number,
            "text": f"{spans(list(claims))} ({', '.join('.'.join(map(str, entry)) for entry in entries)})",
        }


def sign(role: str) -> dict[str, str]:
    """Letter and form of a role in the matrix; a role that is none of ours is an outline with its first letter."""
    letter, form = _SIGNS.get(role, (role[:1].upper() or "?", "ring"))
    return {"letter": letter, "form": form}


def spans(handles: list[str]) -> str:
    """C-0012–C-0015, C-0020: neighbours drawn together."""
    pieces: list[list[str]] = []
    for handle in handles:
        head, _dash, number = handle.rpartition("-")
        if pieces and number.isdigit():
            before, _dash, last = pieces[-1][1].rpartition("-")
            if before == head and last.isdigit() and int(last) + 1 == int(number):
                pieces[-1][1] = handle
                continue
        pieces.append([handle, handle])
    return ", ".join(first if first == last else f"{first}–{last}" for first, last in pieces)


def _silent(cell: Cell | None) -> bool:
    """True for a State that could join, or was asked to, of which no joining or declining is on record."""
    return cell is not None and set(cell.roles) <= {"asked"}


def _source(source: Source) -> dict[str, Any]:
    return {
        "handle": source.handle, "label": clean(source.label), "type": _label("source material", source.type),
        "basis": words.plain(source.basis), "date": words.when(source.date) if source.date else "",
        "claims": str(source.claims) if source.claims else "",
        "files": [
            {"sha256": file.sha256, "size": f"{file.size:,}".replace(",", "\u00a0"), "type": file.media_type,
             "custody": [[clean(part) for part in step] for step in file.custody]}
            for file in source.files
        ],
    }  # fmt: skip


def _how(claim: ClaimRef) -> list[str]:
    """How it is known and how freely it was said, where that is worth saying."""
    fixed = {"suspected coerced": words.WORDS["coerced"], "custodial": words.WORDS["custodial"]}
    said = [words.ACCESS.get(claim.access, ""), fixed.get(claim.voluntariness, "")]
    return [words.translated(word) for word in said if word]


def _label(name: str, term: str) -> str:
    return vocabulary.load().label(name, term)


@lru_cache(1024)
def direction(text: str) -> str:
    """“ar” or “he” for text mostly of a script written from right to left, else ""."""
    return _RIGHT_TO_LEFT.get(script_of(text), "") if _MAYBE.search(text) else ""


@cache
def _hidden() -> dict[int, str | None]:
    """Controls, format and bidirectional characters: gone, but for the joiners that Arabic and Indic letters need."""
    hidden: dict[int, str | None] = {
        point: None for point in range(0x20000) if unicodedata.category(chr(point)) in ("Cc", "Cf")
    }
    for kept in "\u200c\u200d":
        del hidden[ord(kept)]
    return hidden


def clean(text: str) -> str:
    """``text`` on one line, in NFC, without characters that have no form of their own."""
    text = " ".join(text.split())
    return text if text.isascii() and text.isprintable() else unicodedata.normalize("NFC", text).translate(_hidden())
