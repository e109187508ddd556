"""Import of bags: the Library of Congress's suite, other people's mistakes, attacks by name, and a fuzz run of the reader."""

import hashlib
import io
import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO, cast

import bagit  # type: ignore[import-untyped]
import pytest
from corpora_kit import corpus
from court_kit import NOTE, PICTURE, exported, filled, resealed, workspace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_kit import from_here, high_water, measured

from amparo.app import evidence
from amparo.app import evidence_court as court
from amparo.app.evidence_court import Asked
from amparo.app.evidence_import import BagRefused, NotABag, import_bag
from amparo.app.session import Session
from amparo.evidence import disclosure
from amparo.evidence.bag import BadBagPath, Bag, FolderSink, encode_path
from amparo.evidence.disclosure import DisclosureBad, FileNotAsSigned
from amparo.evidence.findings import Chunk, Facts, Finding, Hints, Member, Unreadable, Warn
from amparo.evidence.folderstream import FileChanged, FolderStream, LinkInFolder
from amparo.evidence.readers import bag as reader
from amparo.protect.gate import Override
from amparo.vault.disk import Disk

OTHERWISE = {"v0.96/valid/holey-bag", "v0.97/valid/holey-bag", "v0.97/warning/special-system-files"}
"""Refused here on purpose: Amparo fetches nothing from addresses in a bag; and one whose .DS_Store the suite itself lost."""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with workspace(tmp_path / "case") as opened:
        yield opened


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another workspace's export."""
    folder = tmp_path_factory.mktemp("theirs")
    with workspace(folder / "case") as opened:
        source = filled(opened, folder / "in")
        evidence.note(opened, ["D-0001"], "viewed", reason="to describe it", actor="V-950")
        return exported(opened, source, folder / "bag", organisation="A made-up organisation")


def found(place: Path | bytes) -> list[Finding]:
    """What the reader says of a folder or a zip file, in this process."""
    if isinstance(place, bytes):
        return list(reader.read(io.BytesIO(place), Hints(size=len(place))))
    if place.is_dir():
        with FolderStream(place) as stream:
            size = stream.seek(0, 2)
            return list(reader.read(cast("BinaryIO", io.BufferedReader(stream)), Hints(size=size)))
    return found(place.read_bytes())


def simple(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    """A bag of ours with a few files."""
    bag = Bag(FolderSink(folder, Disk()))
    for path, data in (files or {"data/a.txt": NOTE, "data/b/c.jpg": PICTURE}).items():
        bag.whole(path, data)
    bag.close([("Source-Organization", "A made-up organisation")])
    return folder


def zipped(folder: Path, *extra: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"bag/{path.relative_to(folder).as_posix()}")
        for name, data in extra:
            archive.writestr(name, data)
    return out.getvalue()


# -- the suite -----------------------------------------------------------------------------------------------------------------


def test_conformance_suite() -> None:
    """Every bag of the suite: valid ones are read whole, those worth a warning with one, all others refused in a sentence."""
    suite = corpus("bagit-conformance-suite")
    cases = [path.relative_to(suite).as_posix() for path in sorted(suite.glob("v*/*/*")) if path.is_dir()]
    kinds = {tuple(case.split("/")[:2]) for case in cases}
    assert len(cases) >= 50 and {("v1.0", "valid"), ("v1.0", "invalid"), ("v0.97", "linux-only")} <= kinds
    for case in cases:
        _judge(suite, case)


def _judge(suite: Path, case: str) -> None:
    kind = case.split("/")[1]
    if kind in ("valid", "warning") and case not in OTHERWISE:
        findings = found(suite / case)
        payload = [path for path in (suite / case / "data").rglob("*") if path.is_file()]
        assert len([one for one in findings if isinstance(one, Member) and one.path.startswith("data/")]) == len(payload)
        assert kind == "valid" or any(isinstance(one, Warn) for one in findings)
    else:
        with pytest.raises(Unreadable) as refused:
            found(suite / case)
        assert str(refused.value).endswith((".", ")")) or ":" in str(refused.value)


# -- what is written is read ---------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(min_size=1, max_size=30), st.binary(max_size=200), max_size=6))
def test_any_path_that_can_be_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    """CR, LF, % and letters in any normal form: what the writer takes comes back with the same bytes and path (NFC)."""
    folder = tmp_path_factory.mktemp("any")
    bag, kept = Bag(FolderSink(folder / "bag", Disk())), {}
    for name, data in files.items():
        try:
            path = f"data/{name}"
            bag.whole(path, data)
        except (BadBagPath, UnicodeEncodeError, OSError):
            continue
        kept[max(bag.files, key=list(bag.files).index)] = data
    bag.close([])
    control = any(ord(letter) < 32 and letter not in "\r\n" for path in kept for letter in path)
    if control:
        with pytest.raises(Unreadable):
            found(folder / "bag")
        return
    read: dict[str, bytes] = {}
    path = ""
    for one in found(folder / "bag"):
        if isinstance(one, Member):
            path = one.path
            read[path] = b""
        elif isinstance(one, Chunk):
            read[path] += one.data
    assert {path: data for path, data in read.items() if path.startswith("data/")} == kept


def test_cr_lf_and_percent_are_encoded_in_manifests_and_nothing_else_is() -> None:
    """As RFC 8493, 2.1.3 has it."""
    assert encode_path("data/100%\r\n é.txt") == "data/100%25%0D%0A é.txt"


def test_attack_names_that_are_one_on_some_disks_are_not_written_into_one_bag(tmp_path: Path) -> None:
    """Twins by case or by normal form would overwrite each other where the bag is unpacked."""
    bag = Bag(FolderSink(tmp_path / "bag", Disk()))
    bag.whole("data/Ünit.txt", b"1")
    for twin in (
        "data/ÜNIT.TXT",
        "data/U\u0308nit.txt",
        "data/Ünit.txt",
        "data/../x",
        "/x",
        "data//x",
        "data\\x",
        "~/x",
        "C:/x",
    ):
        with pytest.raises(BadBagPath):
            bag.whole(twin, b"2")


# -- attacks on who imports ----------------------------------------------------------------------------------------------------


def _lists(change: Callable[[str], str]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        path = folder / "manifest-sha512.txt"
        path.write_text(change(path.read_text()))
        for name in ("tagmanifest-sha256.txt", "tagmanifest-sha512.txt"):
            (folder / name).unlink()

    return act


def _add(name: str, data: bytes) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)

    return act


ATTACKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "path traversal": (_lists(lambda text: text.replace("data/a.txt", "data/../../a.txt")), "leads out of the bag"),
    "absolute path": (_lists(lambda text: text.replace("data/a.txt", "/etc/passwd")), "leads out of the bag"),
    "home folder": (_lists(lambda text: text.replace("data/a.txt", "~/a.txt")), "leads out of the bag"),
    "path of Windows": (_lists(lambda text: text.replace("data/a.txt", "C:\\a.txt")), "leads out of the bag"),
    "encoded traversal": (_lists(lambda text: text.replace("data/a.txt", "data/..%0A")), "is listed"),
    "listed twice": (_lists(lambda text: text + text.splitlines()[0] + "\n"), "twice"),
    "not below data": (_lists(lambda text: text.replace("data/a.txt", "bagit.txt")), "not below data"),
    "left out of one manifest": (_lists(lambda text: text.splitlines()[0] + "\n"), "not in its manifests"),
    "a line that is none": (_lists(lambda text: text + "x\n"), "none of a manifest"),
    "extra file": (_add("data/extra.txt", b"x"), "not in its manifests"),
    "missing file": (lambda folder: (folder / "data/a.txt").unlink(), "not in the bag"),
    "altered file": (_add("data/a.txt", NOTE[::-1]), "differs"),
    "altered tag file": (_add("bag-info.txt", b"Source-Organization: somebody else\n"), "differs"),
    "files elsewhere": (_add("fetch.txt", b"http://x.invalid/a - data/a.txt\n"), "Amparo fetches nothing"),
    "wrong sum of bytes": (_add("bag-info.txt", b"Payload-Oxum: 1.1\n"), "Payload-Oxum"),
    "no declaration": (lambda folder: (folder / "bagit.txt").unlink(), "bagit.txt"),
    "newer version": (_add("bagit.txt", b"BagIt-Version: 2.0\nTag-File-Character-Encoding: UTF-8\n"), "declare"),
    "encoding that runs code": (_add("bagit.txt", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: zlib\n"), "declare"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_on_a_bag_is_refused_for_the_right_reason(session: Session, tmp_path: Path, name: str) -> None:
    """Folder and zip file alike: one sentence, and neither an item nor a sealed file is left."""
    folder = simple(tmp_path / "bag")
    act, reason = ATTACKS[name]
    act(folder)
    target = folder
    if len(name) % 2:
        target = tmp_path / "bag.zip"
        target.write_bytes(zipped(folder))
    with pytest.raises(BagRefused, match=reason):
        import_bag(session, target)
    assert list(session.testimony.items()) == [] and list(session.blobs().stored()) == []


def test_attack_links_in_a_folder_or_a_zip_are_refused(session: Session, tmp_path: Path) -> None:
    """A link to a file outside is named and nothing behind it is read."""
    folder = simple(tmp_path / "bag")
    info = zipfile.ZipInfo("bag/data/link")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    (tmp_path / "link.zip").write_bytes(zipped(folder, (info, b"/etc/passwd")))
    with pytest.raises(BagRefused, match="link"):
        import_bag(session, tmp_path / "link.zip")
    (folder / "data" / "link").symlink_to("/etc/passwd")
    with pytest.raises(LinkInFolder):
        import_bag(session, folder)
    assert list(session.testimony.items()) == []


@pytest.mark.parametrize("name", ["/etc/passwd", "bag/../../x", "C:\\x", "bag\\data\\x", "~/x", "bag/data/a.txt"])
def test_attack_a_zip_with_paths_outside_or_twice_is_refused(session: Session, tmp_path: Path, name: str) -> None:
    """Absolute, upwards, of Windows, of a home folder, or a second time."""
    with pytest.warns(UserWarning, match="Duplicate") if name.endswith("a.txt") else nullcontext():
        data = zipped(simple(tmp_path / "bag"), (name, b"x"))
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(BagRefused, match=r"leads out|twice"):
        import_bag(session, tmp_path / "x.zip")


@pytest.mark.parametrize("where", ["before", "behind"])
def test_attack_bytes_hidden_beside_the_list_of_a_zip_are_refused(session: Session, tmp_path: Path, where: str) -> None:
    """What stands before the first file or behind the last, in no list, keeps the bag out, as the verifier would."""
    data, hidden = zipped(simple(tmp_path / "bag")), b"PK\x03\x04 another story"
    if where == "before":
        data = hidden + data
    else:
        at = int.from_bytes(data[-6:-2], "little")  # where the list begins
        data = data[:at] + hidden + data[at:-6] + (at + len(hidden)).to_bytes(4, "little") + data[-2:]
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(BagRefused, match="its list does not name"):
        import_bag(session, tmp_path / "x.zip")


def test_attack_a_zip_bomb_is_refused_before_it_is_unpacked(session: Session, tmp_path: Path) -> None:
    """A third of a gigabyte of zeros in a few hundred kilobytes: its announced size is enough to refuse it."""
    folder = simple(tmp_path / "bag", {"data/a.txt": NOTE})
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.rglob("*"):
            if path.is_file():
                archive.write(path, f"bag/{path.relative_to(folder)}")
        with archive.open("bag/data/zeros", "w") as member:
            for _ in range(300):
                member.write(bytes(1 << 20))
    with pytest.raises(BagRefused, match="zip bomb"):
        import_bag(session, tmp_path / "bomb.zip")
    assert list(session.testimony.items()) == []


def test_a_bag_of_md5_only_comes_in_with_a_warning(session: Session, tmp_path: Path) -> None:
    """Old bags (here one that bagit.py made) are whole all the same; what MD5 does not show is said."""
    (tmp_path / "old").mkdir()
    for number in range(6):
        (tmp_path / "old" / f"a note {number}.txt").write_text(f"made up {number}")
    bagit.make_bag(str(tmp_path / "old"), checksums=["md5"])
    done = import_bag(session, tmp_path / "old")
    assert done.items > 5 and any("damage, not exchange" in sentence for sentence in done.warnings)


def test_what_is_no_bag_is_refused_in_a_sentence(session: Session, tmp_path: Path) -> None:
    """A picture, a zip file without a bag, an empty folder."""
    (tmp_path / "x.jpg").write_bytes(PICTURE)
    with pytest.raises(NotABag):
        import_bag(session, tmp_path / "x.jpg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BagRefused, match=r"bagit\.txt"):
        import_bag(session, tmp_path / "empty")


def test_a_file_that_changes_while_it_is_read_ends_the_import(tmp_path: Path) -> None:
    """Listed with one size, found with another."""
    folder = simple(tmp_path / "bag")
    with FolderStream(folder) as stream:
        (folder / "bagit.txt").write_bytes(b"longer than it was " * 9)
        with pytest.raises(FileChanged):
            io.BufferedReader(stream).read()


# -- another Amparo's ----------------------------------------------------------------------------------------------------------


def test_another_amparos_export_comes_in_with_its_custody_verified(session: Session, theirs: Path, tmp_path: Path) -> None:
    """Every file is an item; the items keep who did what with them there, as signed; crate and CASE are kept as facts."""
    for target in (theirs, tmp_path / "theirs.zip"):
        if target.suffix:
            target.write_bytes(zipped(theirs))
        done = import_bag(session, target, origin=evidence.Origin(how="by courier", collector="V-900"))
        assert done.version == "1.0" and len(done.verified) == 32 and done.facts["ro-crate"] > 5 and done.facts["case"] == 2
        items = {item.path: item for item in session.testimony.items(done.source)}
        item = items["data/items/D-0001.jpg"]
        with evidence.read_quietly(session, item) as stream:
            assert stream.read() == PICTURE
        [fact] = [json.loads(one.data) for one in session.testimony.facts(item.handle) if one.kind == "provenance"]
        assert fact["item"] == "D-0001" and [event[2] for event in fact["custody"]] == ["viewed", "exported"]
        chain = session.testimony.custody(item.handle)
        assert [event.action for event in chain] == ["acquired", "received"] and "whose signatures hold" in chain[1].detail
    [came] = session.testimony.acquisitions("S-0001")
    assert (came.from_whom, came.how, came.collector) == ("A made-up organisation", "by courier", "V-900")


FORGED: dict[str, tuple[Callable[[Path], object], type[Exception]]] = {
    "swapped item": (lambda bag: (bag / "data/items/D-0001.jpg").write_bytes(b"another"), FileNotAsSigned),
    "edited custody table": (lambda bag: (bag / "data/custody/custody.csv").write_bytes(b"item\n"), FileNotAsSigned),
    "added file": (lambda bag: (bag / "data/items/D-0009.jpg").write_bytes(b"another"), FileNotAsSigned),
    "removed item": (lambda bag: (bag / "data/items/D-0002.txt").unlink(), FileNotAsSigned),
    "a bomb of empty lists": (
        lambda bag: (bag / disclosure.LEDGER).write_bytes(b"\x9a\0\x10\0\0" + b"\x80" * (1 << 20)),
        BagRefused,
    ),
    "no statement": (lambda bag: (bag / disclosure.STATEMENT).unlink(), DisclosureBad),
}


@pytest.mark.parametrize("name", FORGED)
def test_attack_on_another_amparos_export_is_refused(session: Session, theirs: Path, tmp_path: Path, name: str) -> None:
    """Hash lists made anew hide nothing: the signatures are looked at, and nothing is taken in."""
    bag = Path(shutil.copytree(theirs, tmp_path / "bag"))
    act, expected = FORGED[name]
    act(bag)
    resealed(bag)
    with pytest.raises(expected):
        import_bag(session, bag)
    assert list(session.testimony.items()) == [] and list(session.blobs().stored()) == []


def test_attack_every_altered_byte_of_the_signed_files_is_refused(theirs: Path) -> None:
    """Ledger and statement with one byte changed, at many places: refused by an error of ours, never believed."""
    ledger, statement = ((theirs / path).read_bytes() for path in (disclosure.LEDGER, disclosure.STATEMENT))
    files = {
        path.relative_to(theirs).as_posix(): hashlib.sha256(path.read_bytes()).digest()
        for path in theirs.rglob("*")
        if path.is_file()
    }
    assert disclosure.read(ledger, statement, files).rows
    for which, data in ((0, ledger), (1, statement)):
        for at in range(0, len(data), max(1, len(data) // 150)):
            changed = bytearray(data)
            changed[at] ^= 1 << (at % 8)
            pair = (bytes(changed), statement) if which == 0 else (ledger, bytes(changed))
            told = {**files, (disclosure.LEDGER, disclosure.STATEMENT)[which]: hashlib.sha256(changed).digest()}
            with pytest.raises(Exception) as refused:
                disclosure.read(*pair, told)
            assert type(refused.value).__module__.startswith("amparo."), (which, at, refused.value)


# -- fuzz ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    crate = {"@graph": [{"@id": "a.txt", "@type": "File", "name": "made up"}]}
    files = {"data/a.txt": NOTE, "data/ro-crate-metadata.json": json.dumps(crate).encode()}
    return zipped(simple(tmp_path_factory.mktemp("small") / "bag", files))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_fuzz_a_mutated_bag_is_read_or_refused_in_a_sentence(small: bytes, data: st.DataObject) -> None:
    """Bytes changed, cut out and doubled anywhere: findings or Unreadable, nothing else."""
    mutated = bytearray(small)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, max(0, len(mutated) - 1)))
        kind = data.draw(st.integers(0, 2))
        if kind == 0 and mutated:
            mutated[at] = data.draw(st.integers(0, 255))
        elif kind == 1:
            del mutated[at : at + data.draw(st.integers(1, 40))]
        else:
            mutated[at:at] = data.draw(st.binary(max_size=40))
    try:
        found(bytes(mutated))
    except Unreadable as error:
        assert str(error)
    except struct.error as error:
        pytest.fail(str(error))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["bagit.txt", "bag-info.txt", "manifest-sha256.txt", "data/ro-crate-metadata.json"]),
    st.binary(max_size=400),
)
def test_fuzz_any_tag_file_is_read_or_refused_in_a_sentence(name: str, noise: bytes) -> None:
    """A declaration, list or metadata file of random bytes in an otherwise whole bag without digests of it."""
    files = {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n", "data/a.txt": NOTE,
        "manifest-sha256.txt": hashlib.sha256(NOTE).hexdigest().encode() + b"  data/a.txt\n", name: noise,
    }  # fmt: skip
    if name.startswith("data/"):
        files["manifest-sha256.txt"] += hashlib.sha256(noise).hexdigest().encode() + f"  {name}\n".encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in files.items():
            archive.writestr(f"bag/{path}", data)
    try:
        findings = found(out.getvalue())
    except Unreadable:
        return
    for one in findings:
        if isinstance(one, Facts):
            json.dumps(one.data).encode()


@measured
def test_the_memory_stays_flat(session: Session, tmp_path: Path) -> None:
    """A quarter of a gigabyte goes out as a bag and comes in again: the peak of this process grows by less than 100 MB."""
    (tmp_path / "in").mkdir()
    with (tmp_path / "in" / "film.txt").open("wb") as stream:
        for _ in range(256):
            stream.write(os.urandom(1 << 19) * 2)
    evidence.add(session, [tmp_path / "in"], origin=evidence.Origin(basis="published source"))
    before = from_here()
    items = court.chosen(session, ["D-0001"])
    items[0].media_type = "application/x-made-up"
    with pytest.raises(Exception, match="gate refuses") as refused:
        court.export(session, items, Asked(), tmp_path / "bag.zip")
    ids = [one["id"] for one in refused.value.facts["gate"]["items"]]  # type: ignore[attr-defined]
    overrides = tuple(Override(one, "made up") for one in ids)
    court.export(session, items, Asked(overrides=overrides), tmp_path / "bag.zip")
    import_bag(session, tmp_path / "bag.zip")
    assert high_water() - before < 100 << 20

