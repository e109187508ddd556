"""The documents say what the program does: verbs, exit codes, forms, links."""

import importlib
import pkgutil
import re
from pathlib import Path

import click
import pytest
import yaml

import amparo as package
from amparo.app.people import interview_from
from amparo.cli.forms import BadField, identity_from
from amparo.cli.main import SECTIONS, VERBS, amparo
from amparo.kernel.errors import AmparoError

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs" / "guide"
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
COMMAND = re.compile(r"^ {4}(?:\./run )?amparo (?P<words>.+)$", re.MULTILINE)


def _command(words: list[str]) -> tuple[click.Command, list[str]]:
    found: click.Command | None = amparo
    while words and isinstance(found, click.Group):
        found = found.get_command(click.Context(found), words[0])
        words = words[1:]
        assert found is not None
    assert found is not None
    return found, words


def test_every_verb_stands_in_the_readme_once() -> None:
    """README's table has a line for each verb of the command line, and none besides."""
    table = re.findall(r"^\| `(\w+)[^|]*\| [^|]+ \|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(table) == sorted(VERBS)


def test_every_verb_stands_in_one_section_of_the_help() -> None:
    """`amparo --help` lists each verb under one heading."""
    assert sorted(name for _, names in SECTIONS for name in names) == sorted(VERBS)


def test_every_exit_code_stands_in_the_guide() -> None:
    """The guide's table has the codes that errors carry, those of the command line (0, 2, 130), and none besides."""
    for module in pkgutil.walk_packages(package.__path__, "amparo."):
        importlib.import_module(module.name)

    def codes(kind: type[AmparoError]) -> set[int]:
        return {kind.exit_code}.union(
            *(codes(below) for below in kind.__subclasses__() if below.__module__.startswith("amparo."))
        )

    table = re.findall(r"^\| (\d+) \|", (GUIDE / "exit-codes.md").read_text("utf-8"), re.MULTILINE)
    assert [int(code) for code in table] == sorted(codes(AmparoError) | {0, 2, 130})


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """A link to a file of this project leads to a file that is there."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text("utf-8"))
    assert [target for target in targets if not (path.parent / target).exists() and target != "NNNN"] == []


@pytest.mark.parametrize("path", [ROOT / "README.md", *sorted(GUIDE.glob("*.md"))], ids=lambda path: path.name)
def test_commands_in_the_documents_are_ones_that_amparo_takes(path: Path) -> None:
    """Every indented command of the user's documents names a verb and options that exist."""
    text = path.read_text("utf-8").replace("\\\n", " ")
    for match in COMMAND.finditer(text):
        words = match["words"].split("  #")[0].split(" > ")[0].split()
        if words[0] == "VERB":
            continue
        command, rest = _command(words)
        known = {option for parameter in command.params for option in parameter.opts}
        assert [word for word in rest if re.fullmatch(r"--?[a-z][a-z-]*", word) and word not in known] == [], match["words"]


def test_the_forms_in_the_guide_are_ones_that_amparo_reads() -> None:
    """The person and the interview of docs/guide/first-steps.md are taken as they stand."""
    blocks = re.findall(r"```yaml\n(.+?)```", (GUIDE / "first-steps.md").read_text("utf-8"), re.DOTALL)
    person, talk = (yaml.load(block, Loader=yaml.CBaseLoader) for block in blocks)
    assert len(identity_from(person).names) == 3
    assert len(interview_from("P-0001", talk).claims) == 2


@pytest.mark.parametrize(
    "form",
    [{"name": "X"}, {"names": {"a": "b"}}, {"names": [["X"]]}, {"contacts": "x"}, {"contacts": ["ab"]}, {"birth": ["x"]}],
)
def test_a_person_form_that_is_misread_is_refused(form: dict[str, object]) -> None:
    """An unknown field or a wrong shape is an error: nothing is dropped, or torn to letters, in silence."""
    with pytest.raises(BadField):
        identity_from(form)


def test_one_name_may_stand_without_a_list() -> None:
    """`names: X Y` is one name, not its letters."""
    assert [name.text for name in identity_from({"names": "Zarvan Tulmetov"}).names] == ["Zarvan Tulmetov"]
