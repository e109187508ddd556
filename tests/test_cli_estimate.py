"""The verb ``estimate`` as a user's shell runs it: on tables of counts. All of it is made up."""

import pytest
from cli_kit import Shell

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
    chains = told["models"][0]
    assert {"ess", "rhat", "p_cells", "p_hospital-press"} <= set(chains["diagnostics"])
    assert [len(chain) for chain in chains["trace"]] == [100, 100]
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
