"""mapping.yaml: what loads is well-formed, and what is not says where and what was meant."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amparo.intake import mapping, yamltext
from amparo.kernel.errors import AmparoError

HEAD = "version: 1\ndataset: made-up\nfiles:\n"


def load(folder: Path, text: str) -> mapping.Mapping:
    (folder / "mapping.yaml").write_text(text, "utf-8")
    return mapping.load(folder / "mapping.yaml")


def test_a_whole_mapping_loads(tmp_path: Path) -> None:
    """Files, sheets, encodings, records, conditions and the nested lists of identities arrive as values."""
    plan = load(
        tmp_path,
        HEAD
        + """
  - file: a.csv
    encoding: cp1251
    claims: [{key: "{fact}/{n}", subject: "{who}", property: "type of act", when: "{x}"}]
  - file: people.xlsx
    sheet: one
    identities:
      - person: "{code}"
        names: [{text: "{name}", kind: alias, script: Cyrl}]
        contacts: [[telephone, "{phone}"]]
""",
    )
    first, second = plan.files
    assert (plan.dataset, first.encoding, first.identities, second.sheet, second.identities) == (
        "made-up", "windows-1251", False, "one", True,
    )  # fmt: skip
    claim = first.records[0]
    assert claim.when is not None
    assert claim.fields["key"].render({"fact": "F001", "n": "2"}) == "F001/2"
    assert second.records[0].contacts[0][1].columns == ("phone",)


@pytest.mark.parametrize(
    ("text", "cells", "expected"),
    [
        ("{a}", {"a": "x"}, "x"),
        ("{a}/{b}", {"a": "", "b": ""}, ""),
        ("{a}/{b}", {"a": "x", "b": ""}, "x/"),
        ("row {a}", {"a": ""}, ""),
        ("{{{a}}} 100%", {"a": "%s"}, "{%s} 100%"),
        ("plain 5%", {}, "plain 5%"),
        ("{date from!r:>9}", {"date from!r:>9": "x"}, "x"),
    ],
)
def test_templates_fill_in_columns_and_nothing_else(text: str, cells: dict[str, str], expected: str) -> None:
    """Braces name columns (whatever characters a name has), doubled braces are braces, percent signs are plain."""
    assert mapping.parse_template(text, "here").render(cells) == expected


@given(text=st.text(), value=st.text())
def test_a_cell_is_never_read_as_a_template(text: str, value: str) -> None:
    """What stands in a cell appears as it is, even if it looks like a template."""
    assert mapping.parse_template("<{a}>", "here").render({"a": "{a}" + value}) == "<{a}" + value + ">"
    with suppress(mapping.MappingTemplate):
        assert isinstance(mapping.parse_template(text, "here").columns, tuple)


CLAIM = 'claims: [{key: "{k}", subject: "{s}", property: p}]'


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("version: 2\ndataset: a\nfiles: []\n", mapping.MappingVersion, "version “2”"),
        ("version: 1\ndataset: a b\nfiles: []\n", mapping.MappingForm, "dataset"),
        ("version: 1\ndataset: a\nfile: []\n", mapping.MappingField, "did you mean files"),
        (HEAD + f"  - file: ../a.csv\n    {CLAIM}\n", mapping.MappingOutside, "outside"),
        (HEAD + f"  - file: /etc/passwd\n    {CLAIM}\n", mapping.MappingOutside, "outside"),
        (HEAD + f"  - file: C:\\a.csv\n    {CLAIM}\n", mapping.MappingOutside, "outside"),
        (HEAD + f"  - file: a.csv\n    encoding: rot13\n    {CLAIM}\n", mapping.MappingEncoding, "rot13"),
        (HEAD + '  - file: a.csv\n    claims: [{key: "{k}", subject: "{s}"}]\n', mapping.MappingLacks, "property"),
        (HEAD + '  - file: a.csv\n    claims: [{key: "{k}", sujet: "{s}"}]\n', mapping.MappingField, "did you mean subject"),
        (HEAD + '  - file: a.csv\n    claims: [{key: "{k", subject: a, property: b}]\n', mapping.MappingTemplate, "lone brace"),
        (HEAD + "  - file: a.csv\n    claims: text\n", mapping.MappingForm, "list"),
        (HEAD + "  - file: a.csv\n", mapping.MappingLacks, "claims"),
        (HEAD + "  - file: a.csv\n    identities: [{person: a, contacts: [[b]]}]\n", mapping.MappingForm, "pair"),
        ("a: &a [b]\nc: *a\n", yamltext.YamlAlias, "aliases"),
    ],
)  # fmt: skip
def test_a_bad_mapping_says_where_and_what_was_meant(tmp_path: Path, text: str, error: type[AmparoError], says: str) -> None:
    """Each mistake in a mapping is one error whose sentence names it."""
    with pytest.raises(error) as caught:
        load(tmp_path, text)
    assert says in str(caught.value)


def test_an_unknown_column_suggests_the_nearest(tmp_path: Path) -> None:
    """A column that the file's header lacks is named together with the nearest that it has."""
    plan = load(tmp_path, HEAD + '  - file: a.csv\n    claims: [{key: "{fakt}", subject: s, property: p}]\n')
    with pytest.raises(mapping.UnknownColumn, match=r"“fakt”; did you mean fact\?"):
        plan.files[0].check_columns(("fact", "text"))


def test_a_missing_mapping_says_what_to_write(tmp_path: Path) -> None:
    """A folder without mapping.yaml is refused with a hint."""
    with pytest.raises(mapping.MappingMissing, match=r"mapping\.yaml"):
        mapping.load(tmp_path / "mapping.yaml")
