"""Lists of a record as verb and page estimate them: from sources to figures, refusals in a sentence. All of it is made up."""

import csv
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_kit import Shell
from test_cli_estimate import TABLE
from web_kit import POSIX, Pages
from work_kit import start, told, wait

pytestmark = POSIX


MAPPING = """version: 1
dataset: archive
files:
  - file: things.csv
    entities: [{key: "{key}", kind: "{kind}", basis: "{basis}"}]
  - file: claims.csv
    claims:
      - {key: "{key}", subject: "{act}", property: victim, value: "{person}", person: "{person}", text: "{text}",
         source: "{source}", valid: "{valid}"}
"""


def fill(folder: Path) -> None:
    """Three sources that each tell of victims by chance, of 300 that there are."""
    folder.mkdir()
    (folder / "mapping.yaml").write_text(MAPPING, "utf-8")
    chance = random.Random(4)
    shares = {"S1": 0.4, "S2": 0.35, "S3": 0.3}
    told = [(source, n) for source, share in shares.items() for n in range(300) if chance.random() < share]
    persons = sorted({n for _source, n in told})
    with (folder / "things.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = [[source, "source", "published source"] for source in ("S1", "S2", "S3")]
        rows += [[f"V{n}", "person", ""] for n in persons] + [[f"K{n}", "act", ""] for n in persons]
        csv.writer(stream).writerows([["key", "kind", "basis"], *rows])
    with (folder / "claims.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = [[f"{source}/{n}", f"K{n}", f"V{n}", "made up", source, f"{2019 + n % 2}-03"] for source, n in told]
        csv.writer(stream).writerows([["key", "act", "person", "text", "source", "valid"], *rows])


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("user")
    made = Shell(home, home / "home" / "case")
    made.init()
    fill(home / "tables")
    made.amparo("import", str(home / "tables"))
    yield made
    made.lock()


@pytest.fixture(scope="module")
def pages(shell: Shell) -> Iterator[Pages]:
    opened = Pages(shell.workspace, shell.environment).opened()
    yield opened
    opened.close()


def test_lists_of_the_record_are_estimated_by_year(shell: Shell) -> None:
    """From an import to the total over two years, without the handle of a single person in what is printed; never by ground."""
    lists = [word for n in (1, 2, 3) for word in ("--list", f"list{n}=S-000{n}")]
    estimated = shell.amparo("estimate", *lists, "--by", "year", "--effort", "quick")
    assert set(estimated["strata"]) == {"2019", "2020"} and estimated["groups"] == 0
    total = next(one for one in estimated["total"] if one["model"] == "decomposable graphs")
    assert total["low"] < 330 and total["high"] > 270
    assert not _persons(str(estimated))
    assert shell.amparo("estimate", *lists, "--by", "ground", code=4)["error"] == "ByGround"
    assert shell.amparo("estimate", "--list", "a=S-0001", "--list", "b=S-0909", code=9)["error"] == "UnknownHandle"


def _persons(text: str) -> list[str]:
    return re.findall(r"P-(?!0001\" spellcheck)\d+", text)  # the example in the field of the search


def test_lists_of_the_record_become_a_figure_and_its_table(pages: Pages) -> None:
    """A work tells the summary, draws the figure, and says the same in a table; no person's handle is on the page."""
    shown = pages.ask("/estimate").text
    assert all(f"S-000{n}" in shown for n in (1, 2, 3)) and not _persons(shown)
    lists = "\n".join(f"list{n}=S-000{n}" for n in (1, 2, 3))
    done = wait(pages, start(pages, "/estimate", {"lists": lists, "effort": "quick", "what": "Made-up <b>persons"}))
    assert "Made-up &lt;b&gt;persons" in done.text and "<b>persons" not in done.text
    assert "are documented. In all there were between" in told(done)
    assert done.text.count("<svg xmlns") == 1 and "The figure as a table" in done.text and "What to doubt" in done.text
    assert not _persons(done.text)
    [documented] = set(re.findall(r'<th scope="row">[^<]*</th><td class="num">(\d+)</td>', done.text))
    assert f"{documented} are documented" in told(done)


def test_a_table_of_counts_needs_no_record(pages: Pages) -> None:
    """Counts that were pasted are estimated as they are."""
    done = wait(pages, start(pages, "/estimate", {"table": TABLE, "effort": "quick"}))
    assert "316 are documented" in told(done) and "hospital 154; relatives 141; press 116" in done.text


def test_what_cannot_be_asked_stays_on_the_page(pages: Pages) -> None:
    """A line that is no list, one list alone, a ground, a table that is none: a sentence, and the form as it was typed."""
    for form, says in (
        ({"lists": "no list"}, "is not a list"), ({"lists": "a=S-0001"}, "1 lists were named"),
        ({"lists": "a=S-0001\nb=S-0002", "by": "ground"}, "never counted by the ground"),
        ({"lists": "gay men=S-0001\nb=S-0002"}, "is not a list"), ({"table": "a,b\n1,2"}, "last column is not named"),
    ):  # fmt: skip
        answer = pages.ask("/estimate", form)
        assert answer.status == 422 and says in answer.sentence, (form, answer.sentence)
        assert form.get("lists", "") in answer.text


def test_a_work_that_finds_nothing_to_estimate_says_why(pages: Pages) -> None:
    """Two lists of the record end in a sentence with the reason."""
    path = start(pages, "/estimate", {"lists": "a=S-0001\nb=S-0002"})
    assert "only two lists" in wait(pages, path).sentence
    assert json.loads(pages.ask(f"/jobs/{path.rpartition('/')[2]}/state").text)["over"]
