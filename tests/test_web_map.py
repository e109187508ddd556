"""The map: as vague as recorded, never a pin; outlines that a user brings are read with a cost cap or refused in a sentence."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_kit import Shell
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_kit import POSIX, Pages
from work_kit import SCRIPT

from amparo.app import desk_map, outlines
from amparo.kernel.errors import AmparoError

pytestmark = POSIX
MAPPING = """
version: 1
dataset: made-up
files:
  - file: entities.csv
    entities:
      - {key: "{key}", kind: "{kind}", type: "{type}", label: "{label}", parent: "{parent}"}
  - file: claims.csv
    claims:
      - {key: "{n}", subject: "{subject}", property: "{property}", value: "{value}", place: "{place}", text: "{text}",
         source: S-X}
"""
ENTITIES = f"""key,kind,type,label,parent
S-X,source,,a made-up source,
L-A,place,region,Made-up land,
L-B,place,city,A town,L-A
L-C,place,city,{SCRIPT.replace(",", ";")},L-A
E-X,event,raid,A raid,
"""
CLAIMS = """n,subject,property,value,place,text
1,L-B,coordinates,"43.3177, 45.6949 ±20 km",,made up
2,L-C,coordinates,"43.1, 45.1",,made up
3,E-X,occurred,,L-B,made up
4,E-X,description,,L-C,made up
"""


def square(name: str) -> dict[str, object]:
    ring = [[44.0, 42.5], [47.0, 42.5], [47.0, 44.5], [44.0, 44.5], [44.0, 42.5]]
    return {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": [ring]}}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("user")
    made = Shell(home, home / "home" / "case")
    made.init()
    tables = home / "tables"
    tables.mkdir()
    for name, text in (("mapping.yaml", MAPPING), ("entities.csv", ENTITIES), ("claims.csv", CLAIMS)):
        (tables / name).write_text(text, "utf-8")
    made.amparo("import", str(tables))
    world = home / "world.geojson"
    world.write_text(json.dumps({"type": "FeatureCollection", "features": [square("Made-up land"), square(SCRIPT)]}), "utf-8")
    assert outlines.bring(made.workspace, [world]) == 2
    yield made
    made.lock()


@pytest.fixture(scope="module")
def pages(shell: Shell) -> Iterator[Pages]:
    opened = Pages(shell.workspace, shell.environment).opened()
    yield opened
    opened.close()


def test_a_place_is_a_circle_of_its_precision_and_never_a_pin(pages: Pages) -> None:
    """What was recorded as within 20 km is drawn as wide; coordinates without a precision are not drawn, which is said."""
    text = pages.ask("/map").text
    assert "<ellipse" in text
    assert text.count("<ellipse") == 2  # one in the drawing, one in its legend
    assert "43.1" not in text.partition("<main")[2]
    assert "20" in text


def test_no_coordinates_stand_in_titles_and_addresses(pages: Pages) -> None:
    """A browser's history keeps titles and addresses: they hold a place's handle at most."""
    text = pages.ask("/map").text
    for address in re.findall(r'href="([^"]*)"', text):
        assert "43." not in address
    assert "43." not in re.findall(r"<title>([^<]*)</title>", text)[0]


def test_attack_a_stored_script_in_places_and_outlines_does_not_run(pages: Pages) -> None:
    """A script as a place's label and as an outline's name is words at most."""
    for path in ("/map", "/map?of=L-0002", "/map?of=%22%3E%3Cscript%3E", "/map?zoom=%3Cscript%3E"):
        text = pages.ask(path).text
        assert "<script>document" not in text
        assert "<img src=x" not in text


@given(st.text(max_size=40))
def test_any_words_are_coordinates_or_a_reason_why_not(text: str) -> None:
    """Whatever a claim gives as coordinates is read within the bounds of the earth, with a radius, or told."""
    found = desk_map.spot(text)
    if isinstance(found, str):
        assert found in desk_map.WHY
    else:
        assert -90 <= found.latitude <= 90
        assert -180 <= found.longitude <= 180
        assert found.radius > 0


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(data=st.one_of(st.binary(max_size=400), st.text(max_size=200).map(str.encode)), form=st.sampled_from(["geojson", "shp"]))
def test_any_bytes_are_outlines_or_one_sentence(tmp_path: Path, data: bytes, form: str) -> None:
    """No file a user brings ends in a traceback, and a bad one changes nothing."""
    source, workspace = tmp_path / f"x.{form}", tmp_path / "case"
    workspace.mkdir(exist_ok=True)
    source.write_bytes(data)
    try:
        outlines.bring(workspace, [source])
    except AmparoError as error:
        assert "nothing was changed" in str(error)
        assert not (workspace / outlines.SETTINGS).exists()


def test_attack_outlines_that_cost_too_much_are_refused(tmp_path: Path) -> None:
    """A file of 40 MB, one of a million points, and one nested a hundred thousand deep end in a sentence."""
    big, many, deep = tmp_path / "big.geojson", tmp_path / "many.geojson", tmp_path / "deep.geojson"
    big.write_bytes(b" " * (40 << 20))
    ring = ",".join(f"[{n % 360 - 180},{n % 180 - 90}]" for n in range(1_000_000))
    head = '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},'
    head += '"geometry":{"type":"Polygon","coordinates":[['
    many.write_text(f"{head}{ring}]]}}}}]}}", "utf-8")
    deep.write_text('{"type":"FeatureCollection","features":' + "[" * 100_000, "utf-8")
    for source in (big, many, deep):
        with pytest.raises(outlines.BadOutlines):
            outlines.bring(tmp_path, [source])


def test_the_command_line_brings_outlines_and_says_how_many(shell: Shell, tmp_path: Path) -> None:
    """`amparo open --outlines FILE` keeps them; a file that is none is one sentence, and nothing is opened."""
    bad = tmp_path / "bad.geojson"
    bad.write_text("{", "utf-8")
    command = [sys.executable, "-m", "amparo", "open", "--no-browser", "--outlines", str(bad), "-w", str(shell.workspace)]
    done = subprocess.run(command, env=shell.environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert "cannot be used" in done.stdout + done.stderr
