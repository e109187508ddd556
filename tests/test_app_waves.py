"""Waves in the record: which acts are counted on which day, what is asserted, what is drawn. All of it is made up."""

import json
from datetime import date
from pathlib import Path
from typing import Any
from xml.dom import minidom

import pytest
from cli_kit import Shell
from hypothesis import given
from hypothesis import strategies as st

from amparo.app import opening, waves, waves_figure, waves_words
from amparo.app.people import NotOneOf, UnknownHandle
from amparo.app.session import Session
from amparo.app.waves import NothingDated, TooLong
from amparo.record.model import Claim, Entity
from amparo.vault.slots import Cost, Passphrase


def act(number: int, type: str, valid: str, **more: Any) -> list[Any]:
    told: dict[str, Any] = {"source": "S-0001", **more}
    return Claim(f"C-{number:04d}", f"A-{number:04d}", "type of act", type, valid=valid, **told).to_row()


@pytest.fixture
def session(tmp_path: Path) -> Session:
    passphrases = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
    opening.create(tmp_path / "case", *passphrases, cost=Cost(64, 1, 1))
    made = Session(tmp_path / "case", [opening.read_ring(tmp_path / "case", "everyday", passphrases[0])])
    things = [
        Entity("S-0001", "source", date="2017-06-01"), Entity("S-0002", "source", date="2017"),
        Entity("L-0001", "place", label="A made-up province"), Entity("L-0002", "place", parent="L-0001"),
        Entity("L-0003", "place"),
        Entity("E-0001", "event"), Entity("E-0002", "event"),
        *(Entity(f"A-{n:04d}", "act", parent="E-0001" if n == 9 else "E-0002") for n in range(1, 10)),
    ]  # fmt: skip
    claims = [
        act(1, "arrest", "2017-03-05", place="L-0002"), act(2, "arrest", "2017-03", source="S-0002", place="L-0003"),
        act(3, "killing", "2017-04-01"), act(4, "arrest", ""), act(5, "arrest", "2017-03-05", polarity="denied"),
        Claim("C-0016", "A-0002", "occurred", valid="2017-03-09", source="S-0001").to_row(),
        act(9, "round-up", "2016-12/2017-02"),
        Claim("C-0020", "E-0001", "event type", "wave of arrests", valid="2016-12/2017-02", source="S-0001").to_row(),
        Claim("C-0021", "A-0001", "ground", "sexual orientation", valid="2017-03-05", source="S-0001").to_row(),
    ]  # fmt: skip
    with made.change() as change:
        change.put("record", Entity.TYPE, [one.to_row() for one in things])
        change.put("record", Claim.TYPE, claims)
    return made


def days(found: waves.Counted) -> list[tuple[str, str]]:
    return sorted(
        (waves_words.day(first), waves_words.day(last)) for first, last in zip(found.first, found.last, strict=True)
    )  # fmt: skip


def test_acts_count_once_on_their_narrowest_date_and_assertions_are_no_acts(session: Session) -> None:
    """The narrowest date counts, denied and undated acts do not, and what a source calls a wave stands beside."""
    found = waves.count(session)
    assert days(found) == [("2017-03-05", "2017-03-05"), ("2017-03-09", "2017-03-09"), ("2017-04-01", "2017-04-01")]
    assert (found.undated, found.within) == (1, 1)
    assert [(one.event, one.when, one.source) for one in found.asserted] == [("E-0001", "2016-12/2017-02", "S-0001")]
    assert {waves_words.day(one) for one in found.reported} == {"2017-06-01"}


def test_types_and_places_narrow_and_wrong_ones_are_refused(session: Session) -> None:
    """A type or a place narrows, a place holds what lies in it; a word that is none is a sentence."""
    assert len(waves.count(session, acts=["arrest"]).first) == 2
    assert len(waves.count(session, place="L-0001").first) == 1
    with pytest.raises(NotOneOf):
        waves.count(session, acts=["ground"])
    with pytest.raises(UnknownHandle):
        waves.count(session, place="L-0999")


def test_three_acts_are_not_determinable_and_say_why(session: Session) -> None:
    """Too few acts give no wave but a reason; without any there is a sentence; five thousand days are too many."""
    found = waves.look(waves.count(session))
    assert not found.determinable
    assert "not determinable" in waves_words.summary(found) and "too few" in waves_words.summary(found)
    with pytest.raises(NothingDated):
        waves.look(waves.count(session), since="2019")
    with pytest.raises(TooLong):
        waves.look(waves.count(session), since="1990", until="2020")


def test_the_demonstration_finds_its_true_waves_and_draws_them() -> None:
    """On the generated population each true bound lies within two weeks of what is found, and the figure tells the same."""
    counted, true = waves.demonstration()
    found = waves.look(counted)
    data = waves_words.data(found, counted)
    assert data["determinable"] and len(data["waves"]) == 3
    for wave, (start, end) in zip(data["waves"], true, strict=True):
        for here, there in ((wave["start"], start), (wave["end"], end)):
            assert abs(date.fromisoformat(here) - date.fromisoformat(there)).days < 14
    drawn = waves_figure.figure(found)
    assert minidom.parseString(drawn).getElementsByTagName("svg") and data["waves"][0]["start"] in drawn
    assert sum(acts or 0 for _month, acts in waves_figure.months(found)) <= found.counted
    assert json.dumps(data)


def test_the_verb_never_writes_over_a_file(tmp_path: Path) -> None:
    """A figure that is there already is left as it is, before anything is computed; no workspace is needed to be told so."""
    shell, target = Shell(tmp_path, tmp_path / "case"), tmp_path / "waves.svg"
    target.write_text("mine", "utf-8")
    assert shell.amparo("waves", "--demonstration", "--figure", str(target), code=4)["error"] == "FigureThere"
    assert target.read_text("utf-8") == "mine"


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60))
def test_months_count_everybody_or_hide_the_few(offsets: list[int]) -> None:
    """A month's acts are told only if there are none or at least three."""
    import numpy as np

    class Found:
        first = 736_330
        last = 736_330 + 400
        counts = np.bincount(offsets, minlength=401)

    monthly = waves_figure.months(Found)  # type: ignore[arg-type]
    assert all(acts is None or acts == 0 or acts >= 3 for _month, acts in monthly)
    assert len({month for month, _acts in monthly}) == len(monthly) == 14
