"""Chains of command and patterns of the worked example and of made-up tables: what they tell, and whom they never name."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from cli_kit import Shell

from amparo.app import command as app
from amparo.app import importing, opening, pattern_cases, patterns
from amparo.app.command_figure import figure
from amparo.app.command_release import write_figure
from amparo.app.figures import FigureThere
from amparo.app.release import Refused
from amparo.app.session import Session
from amparo.record.model import Identity, Name
from amparo.vault.keyring import Ring
from amparo.vault.slots import Cost, Passphrase

EXAMPLE = Path(__file__).parent.parent / "examples" / "public-record"
SECRETS, KINDS = ("a made-up passphrase", "another made-up one"), ("everyday", "identities")

SCRIPT = "<script>alert(1)</script> & units"
MAPPING = """
version: 1
dataset: made-up
files:
  - file: entities.csv
    entities:
      - {key: "{key}", kind: "{kind}", type: "{type}", label: "{label}", parent: "{parent}", date: "{date}", basis: "{basis}",
         official: "{official}"}
  - file: claims.csv
    claims:
      - {key: "{n}", subject: "{subject}", property: "{property}", value: "{value}", valid: "{valid}", source: "{source}",
         stance: "{stance}", place: "{place}"}
  - file: links.csv
    links:
      - {key: "{key}", kind: "{kind}", of: "{of}", to: "{to}", reason: "{reason}"}
"""
ENTITIES = f"""key,kind,type,label,parent,date,basis,official
S-ONE,source,,a made-up report,,2019-06,published source,
S-TWO,source,,another made-up report,,2019,published source,
S-THREE,source,,a third made-up report,,2020,published source,
L-PLACE,place,police station,a made-up station,,,,
E-RAID,event,raid,a made-up raid,,2017-03,,
A-ARREST,act,arrest,,E-RAID,2017-03,,
G-UNIT,group,police force,{SCRIPT},,,,
G-FORCE,group,police force,a made-up force,,,,
G-FAMILY,group,family,a made-up family,,,,
P-ONE,person,official,,,,,yes
P-TWO,person,official,,,,,yes
V-900,person,affected,,,,,
"""
CLAIMS = """n,subject,property,value,valid,source,stance,place
1,A-ARREST,perpetrator,G-UNIT,2017-03,S-ONE,allegation,L-PLACE
2,A-ARREST,victim,V-900,2017-03,S-ONE,allegation,L-PLACE
3,P-ONE,commands,G-UNIT,2016/2018,S-ONE,official,
4,P-TWO,commands,G-UNIT,2017,S-TWO,allegation,
5,G-UNIT,subordinate to,G-FORCE,2015/..,S-ONE,allegation,
6,V-900,member of,G-UNIT,2017,S-TWO,allegation,
7,A-ARREST,ground,sexual orientation,2017-03,S-ONE,allegation,
8,P-ONE,statement,he says that he knew of it,2017-02,S-TWO,denial,
9,P-ONE,commands,G-UNIT,2016/2018,S-TWO,allegation,
10,L-PLACE,used by,V-900,2017,S-TWO,allegation,
11,L-PLACE,used by,G-FAMILY,2017,S-TWO,allegation,
"""
LINKS = """key,kind,of,to,reason
1,contradicts,4,3,two commanders
2,same origin,9,3,one report was copied from the other
"""


def _story(rows: list[str], told: list[str], number: int) -> None:
    """One made-up person's case: arrest, a secret place, a confession, handed over; the last two only for the first five."""
    months = ("2031-01", "2031-02", "2031-03", "2031-04")
    types = ("arrest", "incommunicado detention", "forced confession", "killing by relatives")
    rows.append(f"V-{number:03d},person,affected,,,,,")
    for place, (month, type) in enumerate(zip(months, types, strict=True)):
        if place < 2 or number < 5:
            rows.append(f"A-{number}-{place},act,{type},,,{month},,")
            source = ("S-ONE", "S-TWO", "S-THREE")[number % 3]  # a link says that the first two are of one origin
            told.append(f"{number}{place}v,A-{number}-{place},victim,V-{number:03d},,{source},allegation,")
            told.append(f"{number}{place}m,A-{number}-{place},method,electric shock,,{source},allegation,")


def _made(folder: Path, tables: Path) -> tuple[Ring, ...]:
    """A workspace with cheap passphrases into which tables were imported; returns its rings."""
    opening.create(folder, *map(Passphrase, SECRETS), cost=Cost(64, 1, 1))
    rings = [opening.read_ring(folder, kind, Passphrase(one)) for kind, one in zip(KINDS, SECRETS, strict=True)]
    with Session(folder, rings) as session:
        importing.import_folder(session, tables)
    return tuple(rings)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Ring, ...]]:
    home = tmp_path_factory.mktemp("user")
    tables = home / "tables"
    tables.mkdir()
    rows, told = ENTITIES.splitlines(), CLAIMS.splitlines()
    for number in range(9):
        _story(rows, told, number)
    for name, text in (("mapping.yaml", MAPPING), ("entities.csv", "\n".join(rows)), ("claims.csv", "\n".join(told)),
                       ("links.csv", LINKS)):  # fmt: skip
        (tables / name).write_text(text, "utf-8")
    return home / "work", _made(home / "work", tables)


@pytest.fixture(scope="module")
def session(workspace: tuple[Path, tuple[Ring, ...]]) -> Iterator[Session]:
    with Session(*workspace) as session:
        yield session


def _handle(session: Session, key: str) -> str:
    return session.record.by_key(key)[0]


def test_the_chain_above_an_act_with_rivals_gaps_and_doubts(session: Session) -> None:
    """Two commanders side by side, one by an official source and the other contradicted; the unit above; nobody above that."""
    act = _handle(session, "A-ARREST")
    found = app.command(session, act)
    unit = found["alleged"][0]["party"]
    edges = {(edge["upper"], edge["property"]): edge for edge in found["edges"] if edge["lower"] == unit}
    surest = next(edge for edge in edges.values() if len(edge["claims"]) == 2)
    assert (surest["standing"], surest["bases"], surest["origins"]) == ("certain", ["de jure", "de facto"], 1)
    rival = next(edge for edge in edges.values() if edge["standing"] == "possible")
    assert rival["claims"][0]["doubts"] == ["contradicted"]
    assert {found["overlaps"][0]["one"], found["overlaps"][0]["other"]} == {surest["upper"], rival["upper"]}
    above = next(upper for upper, property in edges if property == "subordinate to")
    assert edges[above, "subordinate to"]["standing"] == "certain"  # told in 2019 as still so
    assert f"Nobody is recorded as commander of {above} at any time." in found["missing"]
    assert any(sentence.startswith("Nobody is recorded as in charge of L-") for sentence in found["missing"])


def test_the_elements_of_article_28_list_claims_and_judge_nothing(session: Session) -> None:
    """For a commander each element has the claims that speak to it, with their time; one to which none speaks is listed."""
    found = app.command(session, _handle(session, "A-ARREST"))
    by_person = {one["person"]: {element["element"]: element for element in one["elements"]} for one in found["superiors"]}
    [elements] = [one for one in by_person.values() if one["knowledge"]["claims"]]
    assert elements["knowledge"]["claims"][0]["when"] == "before the act"
    assert len(elements["control"]["claims"]) == 2
    assert elements["forces"]["claims"][0]["property"] == "perpetrator"
    assert elements["prevention"]["claims"] == []
    assert set(elements) == {"control", "forces", "knowledge", "prevention", "submission"}


def test_attack_a_chain_of_command_lists_no_affected_person(session: Session) -> None:
    """Neither the victim, though a claim makes the person a member of the unit, nor the ground appears; a person is refused."""
    act = _handle(session, "A-ARREST")
    victim = _handle(session, "V-900")
    told = json.dumps(app.command(session, act)) + json.dumps(app.command(session, _handle(session, "E-RAID")))
    assert victim not in told
    assert "orientation" not in told
    assert victim not in json.dumps(app.command(session, _handle(session, "G-UNIT")))
    place = json.dumps(app.command(session, _handle(session, "L-PLACE")))
    assert victim not in place  # though a claim says that the person uses the place
    assert _handle(session, "G-FAMILY") not in place
    with pytest.raises(app.NoChainOfCommand):
        app.command(session, victim)


def test_the_drawing_is_well_formed_tells_its_bars_and_escapes_labels(session: Session, tmp_path: Path) -> None:
    """The SVG parses, has a title, a description and a name for each bar; a label with a script in it stays words."""
    act = _handle(session, "A-ARREST")
    target = tmp_path / "chain.svg"
    found = app.command(session, act)
    write_figure(session, target, found, figure(found))
    text = target.read_text("utf-8")
    root = ET.fromstring(text)
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert "script" not in names
    assert SCRIPT[:20] in "".join(root.itertext())
    assert all(f"{node} " in text for node in found["levels"] if node.startswith("G-"))
    assert {"title", "desc"} <= names
    bars = [element for element in root.iter() if element.get("role") == "img" and "C-" in element.get("aria-label", "")]
    assert len(bars) == sum(len(edge["claims"]) for edge in (*found["edges"], *found["elsewhere"]))
    assert target.stat().st_mode & 0o077 == 0
    with pytest.raises(FigureThere):
        write_figure(session, target, found, figure(found))
    assert target.read_text("utf-8") == text


def test_attack_a_drawing_leaves_through_the_gate_alone(session: Session, tmp_path: Path) -> None:
    """A sealed name in a label, and a source without a basis, keep the drawing in; nothing is written then."""
    found = app.command(session, _handle(session, "A-ARREST"))
    with session.change() as change:
        change.put("identities", "identities@1", [Identity("P-0001", [Name("Zarvan Tulmetov")], made_up=True).to_row()])
    named = {**found, "labels": {**found["labels"], found["of"]: "a post of Tulmetov Zarvan"}}
    unsourced = {**found, "edges": [{**edge, "claims": [{**one, "source": "S-0099"} for one in edge["claims"]]}
                                    for edge in found["edges"]]}  # fmt: skip
    for attacked in (named, unsourced):
        with pytest.raises(Refused):
            write_figure(session, tmp_path / "chain.svg", attacked, figure(attacked))
    assert list(tmp_path.iterdir()) == []


def test_a_mirrored_drawing_is_the_same_read_from_the_right(session: Session) -> None:
    """Each bar of the mirrored drawing lies as far from the right edge as its twin from the left."""
    found = app.command(session, _handle(session, "A-ARREST"))
    bar = re.compile(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="13"')
    plain, mirrored = (bar.findall(figure(found, mirrored=side)) for side in (False, True))
    assert plain
    for (x, y, width), (other, row, wide) in zip(plain, mirrored, strict=True):
        assert (y, width) == (row, wide)
        assert float(x) + float(width) == pytest.approx(1000 - float(other), abs=0.2)


def test_the_planted_sequence_is_found_with_persons_and_origins(session: Session) -> None:
    """The whole way to the relatives of the five who went it, from two origins; what all but one have in common is not told."""
    found = patterns.patterns(session, "sequences")["sequences"]["listed"]
    steps = {tuple(trait["name"] for trait in row["traits"]): row for row in found}
    whole = steps["arrest", "incommunicado detention", "forced confession", "killing by relatives"]
    assert (whole["cases"], whole["persons"], whole["origins"]) == (5, 5, 2)
    assert ("arrest", "incommunicado detention") not in steps  # nine of ten


def test_attack_persons_of_nested_sequences_are_not_told_by_subtraction() -> None:
    """Two nested sequences may differ by four cases and by one person: then persons are told of one of them at most."""
    steps = [3] * 8 + [2] * 4 + [1] * 9  # cases that went three, two and one step
    person = np.array([True] * 5 + [False] * 3 + [True] + [False] * 3 + [True] * 9)
    rows = [(case, step) for case, far in enumerate(steps) for step in range(far)]
    case, step = np.array(rows, np.int64).T
    told = pattern_cases.Told(case, step, np.arange(len(rows)), 10 * step, 10 * step + 1, person,
                              [("act", "arrest"), ("act", "torture"), ("act", "forced confession")],
                              [{0}] * len(rows), [], 0)  # fmt: skip
    found = {len(row["traits"]): (row["cases"], row["persons"]) for row in patterns._sequences(told)["listed"]}
    assert {length: cases for length, (cases, _persons) in found.items()} == {2: 12, 3: 8}
    assert [persons for _cases, persons in found.values()].count(None) >= 1


def test_attack_a_sequence_is_not_told_beside_a_pair_that_gives_the_rest_away() -> None:
    """Nine have two acts, of whom one in an unknown order: the eight in order are not told, since the nine may be."""
    rows = [(case, step) for case in range(9) for step in range(2)]
    case, step = np.array([*rows, *((other, 0) for other in range(9, 18)), *((other, 1) for other in range(18, 24)),
                           *((other, 2) for other in range(24, 30))], np.int64).T  # fmt: skip
    first = np.where(case == 8, 0, 10 * step)

    def listed(days: np.ndarray) -> list[int]:
        names = [("act", "arrest"), ("act", "torture"), ("act", "killing")]
        told = pattern_cases.Told(case, step, np.arange(len(case)), days, days + 1, np.ones(30, np.bool_), names,
                                  [{0}] * len(case), [], 0)  # fmt: skip
        return [row["cases"] for row in patterns._sequences(told)["listed"]]

    assert listed(10 * step) == [9]
    assert listed(first) == []


def test_means_are_counted_and_a_single_case_is_not_shown(session: Session) -> None:
    """A method of nine of ten cases is one person away from all of them, so its count is not shown; nor is a place of one."""
    found = patterns.patterns(session)
    assert found["cases"] == 10
    assert found["means"] == []
    assert found["places"] == []


def test_attack_no_person_and_no_ground_is_in_any_pattern(session: Session) -> None:
    """The whole output of ``patterns`` holds no handle of a person, an act or a claim, and no ground."""
    told = json.dumps(patterns.patterns(session))
    assert re.search(r'"[PAC]-[\d-]+', told) is None
    assert "orientation" not in told


def test_the_verbs_print_what_the_functions_return(workspace: tuple[Path, tuple[Ring, ...]], tmp_path: Path) -> None:
    """Both verbs on the command line, with a drawing; words that would choose persons are wrong use."""
    shell = Shell(tmp_path, workspace[0])
    told = shell.amparo("command", "E-0001", "--at", "2017", "--figure", str(tmp_path / "c.svg"), secrets=[*SECRETS])
    assert told["edges"]
    assert (tmp_path / "c.svg").read_text("utf-8").startswith("<svg")
    assert shell.amparo("patterns", "sequences")["sequences"]["listed"]
    assert shell.amparo("patterns", "ground", code=2)["error"] == "Usage"
    assert shell.amparo("command", "E-0001", "--at", "soon", code=4)["error"] == "BadDate"
    shell.lock()


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the worked example lies in the source tree only")
def test_the_worked_example_names_its_gaps(tmp_path: Path) -> None:
    """In the public record nobody is recorded as commander of the police said to have made the first round-ups."""
    with Session(tmp_path / "case", _made(tmp_path / "case", EXAMPLE)) as session:
        found = app.command(session, _handle(session, "A-WAVE-1-ROUND-UP"))
        police = _handle(session, "G-CHECHEN-POLICE")
        assert police in [one["party"] for one in found["alleged"]]
        assert any(police in sentence and "commander" in sentence for sentence in found["missing"])
        assert found["superiors"] == []
        counted = patterns.patterns(session)
        assert counted["sequences"]["listed"] == []
        assert counted["units"][0]["traits"] == [{"kind": "group", "name": police}]
