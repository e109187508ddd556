"""A dossier against bare Typst on the same text: 1,000 paragraphs, 600 notes, a table of 300 rows, Cyrillic and Arabic.

    ./run bench dossier [--rounds 3] [--paragraphs 1000]

Bare Typst: the very words that the finished dossier prints, as plain headings, paragraphs, footnotes and tables in markup, with
the same fonts and the same standards (PDF/A-2a and PDF/UA-1), without numbers in the margin, links, colours or a running head.
Both are compiled in turn in one process each; the ratio of the medians counts. Every word is made up.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import typst

sys.path.insert(0, str(Path(__file__).parent))

from harness import Run, alternate, child, goal, machine, table

from amparo.dossier import build, layout
from amparo.dossier.manifest import (
    ClaimRef,
    Manifest,
    Mark,
    Paragraph,
    Section,
    Sentence,
    Source,
    SourceFile,
)

TEXTS = (
    "A witness states that about forty persons were held in one room for several weeks and that food was brought once a day.",
    "The head of the administration denied that anybody had been arrested and called the reports an attack on the region.",
    "По словам свидетеля, задержанных держали в подвале административного здания, и никому не сообщали, где они находятся.",
    "وفقًا للشاهد، احتُجز الأشخاص في قبو مبنى إداري، ولم يُبلَّغ أحد بمكان وجودهم، واستمر ذلك عدة أسابيع.",
    "The organisation found that the building had been in use since the spring; two further sources confirm it independently.",
)
SOURCES = 40


def manifest(paragraphs: int) -> Manifest:
    """A made-up record: six notes to ten paragraphs, as many sections as makes sense, 300 rows of chronology."""
    claims: list[ClaimRef] = []
    sections: list[list[Paragraph]] = []
    marks: list[Mark] = []
    for number in range(1, paragraphs + 1):
        noted = number % 10 in (0, 2, 3, 5, 7, 8)
        handle = f"C-{number:04d}"
        if noted:
            source = f"S-{number % SOURCES + 1:04d}"
            claims.append(ClaimRef(
                handle, f"F{number:04d}/1", source, f"Q-{number:04d}", f"p. {number % 90 + 1}", "", "", "hearsay", "free",
                "allegation", "affirmed", (1, number, 0),
            ))  # fmt: skip
        text = f"{TEXTS[number % len(TEXTS)]} {TEXTS[(number + 1) % len(TEXTS)]}"
        stance = ("allegation", "finding", "denial")[number % 3]
        paragraph = Paragraph(
            number, (Sentence(text, (handle,) if noted else (), stance),), f"2017-{number % 12 + 1:02d}", "Town"
        )
        if number % 20 == 1:
            sections.append([paragraph])
        else:
            sections[-1].append(paragraph)
        if len(marks) < 300:
            day = f"2017-{number % 12 + 1:02d}-15"
            marks.append(Mark("event", TEXTS[number % len(TEXTS)], day, day, day, about=False, paragraph=number))
    return Manifest(
        "A made-up record", "5e" * 32, "2024-03-04", "prosecution", "court",
        events=tuple(Section(f"Event {n}", tuple(group), f"E-{n:04d}", "2017") for n, group in enumerate(sections, 1)),
        marks=tuple(marks), claims=tuple(claims),
        sources=tuple(
            Source(f"S-{n:04d}", f"Report {n}", "press report", "published source", "2017-04",
                   (SourceFile(f"{n:02x}" * 32, n << 20, "application/pdf"),), 15)
            for n in range(1, SOURCES + 1)
        ),
    )  # fmt: skip


_STYLE = """#set document(title: "A made-up record")
#set page(paper: "a4", margin: (left: 30mm, right: 28mm, top: 31mm, bottom: 27mm))
#set text(font: ("Libertinus Serif", "Amiri", "DejaVu Sans Mono"), size: 10.8pt, lang: "en")
#set par(justify: true)
"""


def bare(shown: Manifest) -> bytes:
    """The same words as plain markup: what somebody would write who wants no more than the text on pages."""
    data = layout.data(shown)
    out = [_STYLE]
    words = data["words"]
    out += [f"= {_plain(words['chronology'])}\n#table(columns: (32mm, 1fr, 12mm),\n"]
    out += [f"[{_plain(mark['when'])}],[{_plain(mark['text'])}],[{mark['n']}],\n" for mark in data["marks"]]
    out += [")\n", f"= {_plain(words['events'])}\n"]
    for section in data["events"]:
        out.append(f"== {_plain(section['title'])}\n{_plain(section['subtitle'])}\n\n")
        for paragraph in section["paragraphs"]:
            out.append(f"\\[{paragraph['n']}\\] {_plain(paragraph['lead'])}. ")
            for run in paragraph["runs"]:
                notes = "".join(f"#footnote[{note['source']} · {_plain(note['text'])}]" for note in run["notes"])
                out.append(f"{_plain(run['stance'])}: {_plain(run['text'])}{notes} ")
            out.append("\n\n")
    out.append(f"= {_plain(words['sources'])}\n#table(columns: (17mm, 1fr, 30mm, 31mm),\n")
    for source in data["sources"]:
        hashes = " ".join(file["sha256"] for file in source["files"])
        out.append(f"[{source['handle']}],[{_plain(source['label'])} {hashes}],[{source['basis']}],[{source['date']}],\n")
    out.append(f")\n= {_plain(words['method'])}\n")
    out += [_plain(words[f"method {n}"]) + "\n\n" for n in range(1, 6)]
    out.append(f"= {_plain(words['index'])}\n#set text(size: 7.6pt)\n#columns(2)[\n")
    out += [f"\\[{entry['n']}\\] {_plain(entry['text'])}\n\n" for entry in data["index"]]
    return "".join([*out, "]\n"]).encode()


def _plain(text: str) -> str:
    """Text as Typst markup."""
    return "".join(f"\\{letter}" if letter in "\\#$*_`<>@[]=-+/~'\"" else letter for letter in text)


def once(what: str, paragraphs: int) -> None:
    """One compilation in a fresh process; prints its seconds. A small one before it loads fonts and library."""
    shown = manifest(paragraphs)
    build.build_pdf(manifest(10))
    if what == "dossier":
        started, worked = time.perf_counter(), time.process_time()
        made = build.build_pdf(shown)
    else:
        markup: Any = bare(shown)
        started, worked = time.perf_counter(), time.process_time()
        made = typst.compile(
            markup, format="pdf", font_paths=[str(build.FONTS)], ignore_system_fonts=True, pdf_standards=list(build.STANDARDS)
        )
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    print(json.dumps({"seconds": seconds, "cpu": cpu, "pages": build.pages(made), "bytes": len(made)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--paragraphs", type=int, default=1000)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        once(asked.child, asked.paragraphs)
        return
    print(machine())
    told: dict[str, list[dict[str, Any]]] = {"bare": [], "dossier": []}

    def task(what: str) -> Run:
        run = child(__file__, what, "--paragraphs", str(asked.paragraphs))
        told[what].append(json.loads(run.output.splitlines()[-1]))
        return run

    runs = alternate(asked.rounds, {"bare": lambda: task("bare"), "dossier": lambda: task("dossier")})
    cpu = {what: statistics.median(each["cpu"] for each in rounds) for what, rounds in told.items()}
    rows = []
    for what, run in runs.items():
        last = told[what][-1]
        size = f"{last['bytes'] / 1e6:.1f}"
        rows.append((what, f"{run.seconds:.2f}", f"{cpu[what]:.2f}", str(last["pages"]), size, f"{run.peak_mib:.0f}"))
    table(("", "seconds", "CPU seconds", "pages", "MB", "MiB peak"), rows)
    goal("dossier : bare Typst, by the clock", runs["dossier"].seconds / runs["bare"].seconds, 1.5, at_least=False)
    goal("dossier : bare Typst, by CPU time (steadier on a shared machine)", cpu["dossier"] / cpu["bare"], 1.5, at_least=False)


if __name__ == "__main__":
    main()
