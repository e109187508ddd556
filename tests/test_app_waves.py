"""The waves of a record: which acts count, what others assert, and the figure. Everything in it is made up."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import click.testing
import pytest
from record_kit import claim, entity

from amparo.app import opening, waves, waves_figure
from amparo.app.session import Session
from amparo.cli.waves import waves as verb
from amparo.kernel import ids
from amparo.record.model import Claim, Entity
from amparo.vault.slots import Cost, Passphrase

WAVE = date(2017, 3, 1)


def acts() -> tuple[list[list[object]], list[list[object]]]:
    """Entities and claims: an act a month, forty in March 2017 told by two sources in turn, one told by both."""
    days = [date(2016, 1, 5) + timedelta(days=30 * at) for at in range(30)]
    days += [WAVE + timedelta(days=at // 2) for at in range(40)]
    things = [entity(f"S-000{at}", "source", basis="published source", date="2019-05") for at in (1, 2)]
    things += [entity("L-0001", "place", label="Region"), entity("L-0002", "place", label="Town", parent="L-0001"),
               entity("L-0003", "place", label="Elsewhere"), entity("E-0001", "event", label="First wave")]  # fmt: skip
    told = [claim(1, "E-0001", "event type", "wave of arrests", valid="2016-12/2017-02", source="S-0001")]
    for at, day in enumerate(days, start=1):
        handle, source = f"A-{at:04d}", f"S-000{1 + at % 2}"
        things.append(entity(handle, "act"))
        told.append(claim(at + 1, handle, "type of act", "arrest", valid=day.isoformat(), place="L-0002", source=source))
    things += [entity("A-0900", "act"), entity("A-0901", "act", date="2016-08-09")]
    told += [
        claim(900, "A-0001", "type of act", "arrest", valid="2016", place="L-0002", source="S-0001"),
        claim(901, "A-0001", "type of act", "arrest", valid="2016-01-05", place="L-0002", source="S-0002"),
        claim(902, "A-0900", "type of act", "arrest", valid="after 2017", place="L-0002", source="S-0001"),
        claim(903, "A-0901", "type of act", "torture", valid="2016", place="L-0003", source="S-0001"),
        claim(904, "A-0901", "type of act", "arrest", valid="2016", place="L-0003", source="S-0001", polarity="denied"),
    ]
    return things, told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("waves") / "case"
    passphrases = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
    opening.create(folder, *passphrases, cost=Cost(64, 1, 1))
    return folder


@pytest.fixture(scope="module")
def session(folder: Path) -> Iterator[Session]:
    with Session(folder, [opening.read_ring(folder, "everyday", Passphrase("a made-up passphrase"))]) as session:
        things, told = acts()
        with session.change() as change:
            change.put("record", Entity.TYPE, things)
            change.put("record", Claim.TYPE, told)
        yield session


@pytest.fixture(scope="module")
def report(session: Session) -> waves.Report:
    return waves.look(session)


def test_each_act_counts_once_on_its_narrowest_date(report: waves.Report) -> None:
    """Seventy-one dated acts are counted once each on their day, the one without an end is told, the denial adds none."""
    assert (report.acts, report.undated) == (72, 1)
    assert report.found is not None
    assert (report.found.counted, report.found.spread, report.found.left_out) == (71, 0, 0)


def test_the_wave_of_the_record_is_found(report: waves.Report) -> None:
    """Forty acts in twenty days of March 2017, told by two sources, stand as one wave within two days."""
    assert report.found is not None
    [wave] = [one for one in report.found.waves if one.stands]
    assert abs(wave.start - WAVE.toordinal()) <= 2
    assert abs(wave.end - WAVE.toordinal() - 19) <= 2
    assert set(wave.without) == {"S-0001", "S-0002"}


def test_what_a_source_asserts_is_listed_and_not_counted(report: waves.Report) -> None:
    """The asserted wave of winter 2016 stands with its source and claim, and no wave is found on its days."""
    assert [(one.event, one.source, one.claim) for one in report.asserted] == [("E-0001", "S-0001", "C-0001")]
    assert report.found is not None
    assert all(one.start > date(2017, 2, 20).toordinal() for one in report.found.waves)


def test_a_place_holds_what_lies_in_it_and_a_type_only_itself(session: Session) -> None:
    """A region holds the acts of its town; a type of act holds its own; a place nobody knows is refused."""
    events = {name: waves.look(session, **asked).acts for name, asked in {
        "region": {"place": "L-0001"}, "elsewhere": {"place": "L-0003"}, "torture": {"kind": "torture", "start": "2016-01"},
    }.items()}  # fmt: skip
    assert events == {"region": 71, "elsewhere": 1, "torture": 1}
    with pytest.raises(waves.NoSuchPlace):
        waves.look(session, place="L-0099")


def test_the_figure_says_what_the_table_says(report: waves.Report) -> None:
    """The SVG is well formed, loads nothing, holds the bounds of each wave as words, and no day of a single act."""
    assert report.found is not None
    text = waves_figure.figure(report)
    ET.fromstring(text)
    assert not re.search(r"<script|href|url\(|@import|<image|on\w+=", text)
    for line in waves_figure.table(report):
        assert line in text
    told = set(re.findall(r"\d{4}-\d\d-\d\d", text))
    known = {waves.day(one) for wave in report.found.waves
             for one in (wave.start, wave.end, *wave.start_band, *wave.end_band)}  # fmt: skip
    assert told <= known | {waves.day(report.found.first), waves.day(report.found.last)}


def test_a_report_is_plain_values(report: waves.Report) -> None:
    """The report survives JSON unchanged and names sources by handle only."""
    data = report.as_json()
    assert json.loads(json.dumps(data)) == data
    assert all(ids.is_handle(one["source"]) for one in data["without_source"])


def test_the_demonstration_says_that_it_is_made_up(tmp_path: Path) -> None:
    """On the command line the made-up population is called so in text and figure, and its three true waves are found."""
    target = tmp_path / "waves.svg"
    done = click.testing.CliRunner().invoke(verb, ["--demonstration", "--figure", str(target)])
    assert done.exit_code == 0, done.output
    assert "MADE-UP" in done.output.splitlines()[0]
    assert done.output.count("A wave from") == 3
    assert "MADE-UP" in target.read_text(encoding="utf-8")
