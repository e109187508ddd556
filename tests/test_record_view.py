"""The record's view is a pure function of the parts applied: batches, order of opening and rebuilding cannot be seen in it."""

import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_kit import answers, claim, decrypted, entity, example, filled, open_view

from amparo.kernel.errors import AmparoError
from amparo.record.digest import digest
from amparo.record.model import Claim, Entity, Link
from amparo.record.search import search
from amparo.record.view import Origin, RecordView
from amparo.vault.database import Database

SLOW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def fresh(folder: Path) -> Path:
    return folder / f"{uuid.uuid4().hex}.db"


def test_replayed_twice_gives_the_same_answers(tmp_path: Path) -> None:
    """Two views made of the same parts answer every query alike, and so does one that is closed and opened again."""
    first = filled(tmp_path / "a.db", example())
    expected = answers(first)
    first.db.close()
    assert answers(filled(tmp_path / "b.db", example())) == expected
    assert answers(open_view(tmp_path / "a.db")) == expected


@SLOW
@given(batch=st.integers(1, 6), again=st.integers(0, 15))
def test_no_split_into_batches_can_be_seen(tmp_path: Path, batch: int, again: int) -> None:
    """A view that grew in batches, some parts told twice, equals one built at once."""
    parts = example()
    whole = filled(fresh(tmp_path), parts)
    grown = filled(fresh(tmp_path), [*parts[:again], *parts], batch)
    assert answers(grown) == answers(whole)


@SLOW
@given(gone=st.sets(st.integers(0, 14), max_size=5))
def test_erased_equals_never_applied(tmp_path: Path, gone: set[int]) -> None:
    """After an erasure every query answers as if the part had never been."""
    parts = example()
    view = filled(fresh(tmp_path), parts)
    for index in sorted(gone):
        view.erase(parts[index][0])
    never = filled(fresh(tmp_path), [part for index, part in enumerate(parts) if index not in gone])
    assert answers(view) == answers(never)


@SLOW
@given(st.data())
def test_random_claims_survive_splits_and_erasures(tmp_path: Path, data: st.DataObject) -> None:
    """Claims that repeat handles, supersede and retract each other in any order leave a function of the parts."""
    numbers = st.integers(1, 9)
    word = st.sampled_from(["masks", "Grozny", "Грозном", "gay", "beaten", "ground", "غروزني"])
    rows = st.builds(
        lambda n, target, subject, text, prop, valid: claim(
            n, subject, prop, "", " ".join(text), supersedes=f"C-{target:04d}" if target else "", valid=valid, recorded=n
        ),
        numbers, st.integers(0, 9), st.sampled_from(["E-0001", "A-0001", "P-0001"]), st.lists(word, max_size=4),
        st.sampled_from(["description", "ground"]), st.sampled_from(["", "2017", "2017-03", "not a date"]),
    )  # fmt: skip
    link = st.builds(
        lambda n, a, b: Link(f"K-{n:04d}", "retracts", f"C-{a:04d}", f"C-{b:04d}").to_row(), numbers, numbers, numbers
    )
    kinds = st.one_of(
        st.tuples(st.just(Claim.TYPE), st.lists(rows, min_size=1, max_size=4)),
        st.tuples(st.just(Link.TYPE), st.lists(link, min_size=1, max_size=2)),
    )
    parts = [((1, 2, index), *part) for index, part in enumerate(data.draw(st.lists(kinds, min_size=1, max_size=7)))]
    gone = data.draw(st.sets(st.sampled_from(range(len(parts))), max_size=3))
    view = filled(fresh(tmp_path), parts, data.draw(st.integers(1, 4)))
    for index in sorted(gone, reverse=data.draw(st.booleans())):
        view.erase(parts[index][0])
    assert answers(view) == answers(filled(fresh(tmp_path), [p for i, p in enumerate(parts) if i not in gone]))


def test_a_claim_comes_back_as_it_was_recorded(tmp_path: Path) -> None:
    """Every field of a claim and an entity, truth values too, reads back so that its digest is unchanged."""
    row = Claim(
        "C-0001", "E-0001", "report", "v", "t", "denied", "2017", "L-0001", "S-0001", "Q-0001", "p. 1", "witnesses", "hearsay",
        "free", "denial", True, "ru", "P-0001", "k", "d", "C-0009", "why", 5,
    ).to_row()  # fmt: skip
    place = Entity("L-0001", "place", "town", "X", "lk", "d", "L-0009", True, "unknown", "2017", "p. 2").to_row()
    view = filled(tmp_path / "v.db", [((1, 1, 0), Claim.TYPE, [row]), ((1, 1, 1), Entity.TYPE, [place])])
    stored, kept = view.claim("C-0001"), view.entity("L-0001")
    assert stored is not None and stored.claim == Claim.from_row(row) and stored.claim.verbatim is True
    assert kept == Entity.from_row(place) and stored.origin == Origin(1, 1, 0)
    assert view.find("d", "k", Claim.TYPE) == ("C-0001", digest(Claim.TYPE, row))
    assert view.find("d", "lk", Entity.TYPE) == ("L-0001", digest(Entity.TYPE, place))


def test_statuses_follow_the_claims_that_are_here(tmp_path: Path) -> None:
    """A claim is superseded or retracted by what is in the record now, whichever of the two came first."""
    view = filled(tmp_path / "v.db", example())
    assert [view.claim(f"C-{n:04d}").status for n in (1, 2, 3, 13)] == ["current", "retracted", "superseded", "current"]  # type: ignore[union-attr]
    assert view.find("d", "F002/2", Claim.TYPE)[0] == "C-0013"  # type: ignore[index]
    assert [stored.claim.handle for stored in view.history("E-0002", "number detained")] == ["C-0003", "C-0013"]
    view.erase((1, 3, 0))
    view.erase((1, 3, 1))
    assert [view.claim(f"C-{n:04d}").status for n in (2, 3)] == ["current", "current"]  # type: ignore[union-attr]


def test_a_later_row_replaces_and_history_is_kept(tmp_path: Path) -> None:
    """An entity shows its latest row, remembers the earlier, and goes back to it when the later is erased."""
    view = filled(tmp_path / "v.db", example())
    assert view.entity("L-0001").label == "Grozny, the capital"  # type: ignore[union-attr]
    assert [version.label for version in view.entity_history("L-0001")] == ["Grozny", "Grozny, the capital"]
    assert [c.audiences for c in view.consents("P-0001")] == [["court"]]
    view.erase((1, 5, 0))
    assert view.entity("L-0001").label == "Grozny"  # type: ignore[union-attr]


def test_a_handle_is_never_given_twice(tmp_path: Path) -> None:
    """Numbers go on from what was seen or counted, for each device its own, and erasing takes none back."""
    view = filled(tmp_path / "v.db", example())
    assert [view.next_number(kind) for kind in ("claim", "person", "link", "measure")] == [14, 4, 4, 1]
    view.apply((2, 1, 0), Claim.TYPE, [claim("C-2-0007", "E-0001")])
    view.apply((1, 6, 0), "counters@1", [["claim", 900]])
    for part in [*example(), ((2, 1, 0), "", [])]:
        view.erase(part[0])
    view.db.close()
    view = open_view(tmp_path / "v.db")
    assert (view.next_number("claim"), view.next_number("claim", 2), view.next_number("person")) == (900, 8, 4)


def test_rows_nobody_can_read_do_not_stop_a_replay(tmp_path: Path) -> None:
    """A row of a foreign shape is kept aside, a shorter one of an earlier version has defaults, unknown types stay whole."""
    view = filled(tmp_path / "v.db", [
        ((1, 1, 0), Claim.TYPE, [["C-0001", "E-0001", "report", "", "masks"], [], [1, 2], ["P-0001", "", ""], ["C-x", "", ""],
                                 [*claim(2, "E-0001"), "a field of tomorrow"]]),
        ((1, 1, 1), Entity.TYPE, [["E-0001", "event"], ["nonsense", "event"], [], [None]]),
        ((1, 1, 2), Link.TYPE, [["K-0001"], ["x", "retracts", "C-0001", "nonsense"]]),
        ((1, 1, 3), "weather@7", [["rain", b"\x00", None, [1]]]),
    ])  # fmt: skip
    assert search(view, "masks").total == 1 and view.claim("C-0002") is not None and view.entity("E-0001") is not None
    assert view.rows("weather@7") == [["rain", b"\x00", None, [1]]]


def break_off(view: RecordView) -> None:
    with view.bulk():
        view.apply((1, 9, 0), Claim.TYPE, [claim(90, "E-0001", text="half")])
        view.set_positions({b"device": b"2"})
        raise KeyError


def test_positions_commit_with_the_parts_or_not_at_all(tmp_path: Path) -> None:
    """An exception inside bulk leaves a fresh view empty and an older one as it was."""
    view = open_view(tmp_path / "v.db")
    for expected in ({}, {b"device": b"1"}):
        with pytest.raises(KeyError):
            break_off(view)
        assert view.positions() == expected and view.claim("C-0090") is None and search(view, "half").total == 0
        if not expected:
            with view.bulk():
                for part in example():
                    view.apply(*part)
                view.set_positions({b"device": b"1"})
    assert answers(view) == answers(filled(tmp_path / "w.db", example()))


def test_a_build_that_broke_off_is_begun_anew(tmp_path: Path) -> None:
    """A view whose first load did not end (power cut, killed process) has no positions and no rows when it is opened."""
    view = open_view(tmp_path / "v.db")
    view._begin_building()
    view.db.execute("INSERT INTO facets VALUES ('total', 'claim', 7)")
    view.db.execute("INSERT INTO positions VALUES (x'01', x'02')")
    view.db.close()
    view = open_view(tmp_path / "v.db")
    assert view.positions() == {} and view.counts()["claim"] == 0
    with view.bulk():
        for part in example():
            view.apply(*part)
    assert answers(view) == answers(filled(tmp_path / "w.db", example()))


def test_another_rule_of_indexing_empties_the_view(tmp_path: Path) -> None:
    """A view indexed by other rules (a new list of ground words, another stemmer) is not used but made anew."""
    view = filled(tmp_path / "v.db", example())
    view.db.execute("UPDATE meta SET value = 'older' WHERE name = 'version'")
    view.db.close()
    assert open_view(tmp_path / "v.db").counts()["claim"] == 0


def test_a_view_under_a_foreign_key_does_not_open(tmp_path: Path) -> None:
    """Without its key a view is refused by name of the error, not read."""
    filled(tmp_path / "v.db", example()).db.close()
    with pytest.raises(AmparoError):
        open_view_with(tmp_path / "v.db", bytes(32))


def open_view_with(path: Path, key: bytes) -> None:
    Database(path, key)


def test_erased_words_are_in_no_page_of_the_file(tmp_path: Path) -> None:
    """After erase and truncate_wal no page, live or free, holds an erased word, stem, sound or key; before, each is found."""
    path = tmp_path / "v.db"
    parts = example()
    for number in range(100, 400):  # neighbours, so that pages are shared
        text = f"filler text number {number} in Grozny masks"
        parts.append(((1, 9, number), Claim.TYPE, [claim(number, "E-0001", text=text)]))
    secret = claim(1000, "E-0002", "note", "qvvaluemark", "Xyzzqrangov was seen; tzchervonik", key="qkeymark/1")
    label = entity("G-0001", "group", label="Wqkjunit", key="qgroupmark")
    parts += [((1, 10, 0), Claim.TYPE, [secret]), ((1, 10, 1), Entity.TYPE, [label]), ((1, 10, 2), "note@1", [["qopaquemark"]])]
    view = filled(path, parts, 40)
    words = [b"Xyzzqrangov", b"tzchervonik", b"qvvaluemark", b"qkeymark", b"Wqkjunit", b"qgroupmark", b"qopaquemark"]
    stems = [b"zzqrangov", b"chervonik", b"wqkjunit", b"zkrangav"]
    view.db.truncate_wal()
    before = decrypted(path)
    assert all(word in before for word in words + stems)
    for part in range(3):
        view.erase((1, 10, part))
    view.db.truncate_wal()
    after = decrypted(path)
    assert [word for word in words + stems if word in after] == []
    assert search(view, "Xyzzqrangov").total == 0 and search(view, "filler").total == 300


def test_no_plaintext_reaches_the_disk(tmp_path: Path) -> None:
    """No file beside the view (database, write-ahead log, temporary) holds a word of the record."""
    view = filled(tmp_path / "v.db", example(), 3)
    found = [path.name for path in tmp_path.iterdir() if b"masks" in path.read_bytes() or b"detain" in path.read_bytes()]
    assert found == [] and search(view, "masks").total == 1
