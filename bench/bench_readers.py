"""Text of a 1,000-page PDF: through the sandbox, and by the same library called in this process.

Goal: within 1.3 x of the bare library, memory under 300 MiB on both sides. A second measure, without a goal: small files a second.
"""

import argparse
import io
import json
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pypdfium2  # type: ignore[import-untyped]
import typst
from harness import Run, alternate, child, goal, machine, table

from amparo.evidence import sandbox
from amparo.evidence.findings import Facts, Hints, Text
from amparo.evidence.readers.pdf import paragraphs

SMALL = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        how, path, *pages = options.child
        if pages:
            Path(path).write_bytes(typst.compile(document(int(pages[0])).encode()))
        print(json.dumps({"seconds": 0} if pages else CHILDREN[how](Path(path))))
        return
    print(machine())
    print(sandbox.strength())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made-up.pdf"
        child(__file__, "make", str(path), str(options.pages))  # in a process of its own: its memory is nobody's here
        print(f"{options.pages} pages, {path.stat().st_size >> 10} KiB, made up")
        tasks = {how: partial(child, __file__, how, str(path)) for how in CHILDREN}
        report(alternate(options.rounds, tasks), path)


def document(pages: int) -> str:
    """As dense as a report: some 45 lines a page in two scripts."""
    russian = "Это выдуманный отчёт, в котором нет ни одного настоящего имени; он нужен только для измерения. " * 4
    page = f"= Made-up section\n#lorem(220)\n\n{russian}\n\n#lorem(160)\n\n{russian}\n#pagebreak()\n"
    return '#set page(paper: "a4")\n#set text(size: 10pt)\n' + page * pages


def bare(path: Path) -> dict[str, float]:
    """What anybody would write with the library alone."""
    started = time.perf_counter()
    letters = 0
    with closing(pypdfium2.PdfDocument(path)) as pdf:
        for number in range(len(pdf)):
            with closing(pdf[number]) as page, closing(page.get_textpage()) as text:
                letters += len(text.get_text_range())
    return {"seconds": time.perf_counter() - started, "letters": letters}


def in_paragraphs(path: Path) -> dict[str, float]:
    """The reader's own work, without the sandbox."""
    started = time.perf_counter()
    letters = 0
    with closing(pypdfium2.PdfDocument(path)) as pdf:
        for number in range(len(pdf)):
            with closing(pdf[number]) as page, closing(page.get_textpage()) as text:
                letters += sum(map(len, paragraphs(text)))
    return {"seconds": time.perf_counter() - started, "letters": letters}


def sandboxed(path: Path) -> dict[str, float]:
    """The whole path: start of the sandbox, file served, text checked and taken."""
    started = time.perf_counter()
    letters = pages = 0
    with path.open("rb") as file, sandbox.Sandbox() as box:
        for finding in box.read("pdf", file, Hints(media_type="application/pdf")):
            if isinstance(finding, Text):
                letters += len(finding.text)
            elif isinstance(finding, Facts) and finding.kind == "pages":
                pages = finding.data["count"]
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "letters": letters, "pages": pages, "inside": box.peak >> 20}


CHILDREN = {"bare library": bare, "paragraphs": in_paragraphs, "sandbox": sandboxed}


def small_files() -> float:
    """Files of a hundred bytes a second, once the sandbox is there."""
    with sandbox.Sandbox() as box:
        list(box.read("plain", io.BytesIO(b"made up"), Hints()))
        started = time.perf_counter()
        for _ in range(SMALL):
            list(box.read("plain", io.BytesIO(b"made up\n" * 12), Hints()))
        return SMALL / (time.perf_counter() - started)


def report(runs: dict[str, Run], path: Path) -> None:
    told = sandboxed(path)
    yard = runs["bare library"].seconds
    table(
        ("text of a PDF", "s", "x bare", "peak MiB"),
        [(how, f"{run.seconds:.2f}", f"{run.seconds / yard:.2f}", f"{run.peak_mib:.0f}") for how, run in runs.items()],
    )
    print(f"inside the sandbox: {told['inside']:.0f} MiB at most")
    goal("sandbox / bare library", runs["sandbox"].seconds / yard, 1.3, at_least=False)
    goal("peak memory, MiB", max(runs["sandbox"].peak_mib, told["inside"]), 300, at_least=False)
    print(f"small files: {small_files():.0f} a second")


if __name__ == "__main__":
    main()
