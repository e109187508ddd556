"""The verb ``estimate`` as a user's shell runs it: on a table of counts, and on lists of a record. All of it is made up."""

import csv
import random
from pathlib import Path

import pytest
from cli_kit import Shell

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
TABLE = "hospital,relatives,press,Freq\n" + "\n".join(
    f"{n & 1},{n >> 1 & 1},{n >> 2 & 1},{count}" for n, count in zip(range(1, 8), (90, 80, 30, 60, 25, 22, 9), strict=True)
)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    home = tmp_path_factory.mktemp("estimate")
    return Shell(home, home / "case")


def test_a_table_of_counts_is_estimated_and_drawn(shell: Shell) -> None:
    """Each model's figures come with documented, unseen and settings; the figure is never written over another file."""
    table, target = shell.home / "counts.csv", shell.home / "figure.svg"
    table.write_text(TABLE, "utf-8")
    words = ("estimate", "--table", str(table), "--effort", "quick", "--what", "Persons killed", "--figure", str(target))
    told = shell.amparo(*words)
    assert told["documented"] == 316 and told["lists"] == {"hospital": 154, "relatives": 141, "press": 116}
    assert [one["model"] for one in told["models"]] == ["latent classes", "decomposable graphs", "log-linear, stepwise"]
    for one in told["models"]:
        assert one["documented"] == 316 and 316 < one["low"] < one["point"] < one["high"], one
        assert one["settings"]
    assert target.read_text("utf-8").startswith("<svg") and told["limits"]
    assert shell.amparo(*words, code=4)["error"] == "FigureThere"


def test_what_cannot_be_estimated_says_why(shell: Shell) -> None:
    """Two lists, a table that is none, both a table and a list: a sentence each, and the documented exit code."""
    two = shell.home / "two.csv"
    two.write_text("a,b,Freq\n1,0,10\n0,1,10\n1,1,9\n", "utf-8")
    refused = shell.amparo("estimate", "--table", str(two), code=4)
    assert refused["error"] == "NotEstimable" and "only two lists" in refused["sentence"]
    assert shell.amparo("estimate", "--table", "-", stdin="name,age\nx,4\n", code=4)["error"] == "BadCaptureTable"
    assert shell.amparo("estimate", "--table", str(two), "--list", "a=S-0001", code=2)["error"] == "TablesOrLists"
    assert shell.amparo("estimate", code=2)["error"] == "TablesOrLists"
    assert shell.amparo("estimate", "--table", str(two), "--table", str(two), "--priors", code=2)["error"] == "Usage"


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


def test_lists_of_the_record_are_estimated_by_year(shell: Shell) -> None:
    """From an import to the total over two years, without the handle of a single person in what is printed; never by ground."""
    shell.init()
    fill(shell.home / "tables")
    shell.amparo("import", str(shell.home / "tables"))
    lists = [word for n in (1, 2, 3) for word in ("--list", f"list{n}=S-000{n}")]
    told = shell.amparo("estimate", *lists, "--by", "year", "--effort", "quick")
    assert set(told["strata"]) == {"2019", "2020"} and told["groups"] == 0
    total = next(one for one in told["total"] if one["model"] == "decomposable graphs")
    assert total["low"] < 330 and total["high"] > 270
    assert "P-0" not in str(told)
    assert shell.amparo("estimate", *lists, "--by", "ground", code=4)["error"] == "ByGround"
    assert shell.amparo("estimate", "--list", "a=S-0001", "--list", "b=S-0909", code=9)["error"] == "UnknownHandle"
