"""The timeline and the matrix: what they count, that they say the same as their tables, that nothing stored runs there."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from cli_kit import Shell
from hypothesis import given
from hypothesis import strategies as st
from web_kit import POSIX, Pages
from work_kit import SCRIPT

from amparo.app import desk_timeline
from amparo.kernel import dates
from amparo.record import aggregates
from amparo.web.pages import timeline as drawn

pytestmark = POSIX
POINTS = st.dates(date(1900, 1, 1), date(2030, 12, 31)).flatmap(
    lambda day: st.sampled_from([day.isoformat(), day.isoformat()[:7], day.isoformat()[:4]])
)
TEXTS = st.one_of(POINTS, POINTS.map("../{}".format), POINTS.map("{}/..".format), POINTS.map("{}~".format))


def lanes_of(known: list[tuple[str, str, int]], since: str = "", until: str = "") -> tuple[Any, dict[str, Any]]:
    """The span and the lanes over made-up counts by kind and date."""
    with mock.patch.object(aggregates, "dates", return_value=known):
        found = desk_timeline.timeline(SimpleNamespace(record=None), since, until)  # type: ignore[arg-type]
    return found["span"], {lane.name: lane for lane in found["lanes"]}


@given(st.dictionaries(TEXTS, st.integers(1, 9), min_size=1, max_size=12))
def test_each_date_counts_where_it_may_be_and_is_certain_in_one_column_at_most(counts: dict[str, int]) -> None:
    """Over all that is dated each thing is counted once in the total; certain in one column, or perhaps in each it allows."""
    span, lanes = lanes_of([("event", text, count) for text, count in counts.items()])
    lane = lanes["events"]
    assert lane.total == sum(counts.values())
    sure, perhaps = [0] * len(span.columns), [0] * len(span.columns)
    for text, count in counts.items():
        when = dates.parse(text)
        inside = [
            place for place, (low, high) in enumerate(span.columns)
            if (when.earliest or date.min) <= high and (when.latest or date.max) >= low
        ]  # fmt: skip
        certain = len(inside) == 1 and when.earliest and when.latest and not when.about
        for place in inside:
            (sure if certain else perhaps)[place] += count
    assert (lane.sure, lane.perhaps) == (sure, perhaps)


def test_a_month_is_never_put_on_a_day() -> None:
    """Looked at by days, what is dated by its month stands on each of them as perhaps, and on none as certain."""
    span, lanes = lanes_of([("act", "2017-03", 5), ("act", "2017-03-09", 2), ("act", "", 4)], "2017-03-01", "2017-03-31")
    assert span.unit == "day"
    assert lanes["acts"].sure == [2 if day == 9 else 0 for day in range(1, 32)]
    assert lanes["acts"].perhaps == [5] * 31
    assert (lanes["acts"].total, lanes["acts"].undated) == (7, 4)


def test_a_hundred_thousand_days_are_drawn_as_few_columns() -> None:
    """However much is dated, the drawing has some hundred columns a lane."""
    known = [("event", date.fromordinal(657_438 + n).isoformat(), 1) for n in range(0, 80_000, 7)]
    span, lanes = lanes_of(known)
    figure = drawn.drawing(span, list(lanes.values()))
    assert sum(len(lane["columns"]) for lane in figure["lanes"]) <= 400
    assert lanes["events"].total == len(known)


@given(st.dates(), st.dates())
def test_every_span_can_be_drawn_and_left(first: date, last: date) -> None:
    """From the year 1 to 9999: any two days give columns that join, and moves that are spans again."""
    span, lanes = lanes_of([("event", "2017", 1)], min(first, last).isoformat(), max(first, last).isoformat())
    assert span.edges == tuple(sorted(set(span.edges)))
    assert span.columns[0][0] <= span.first
    drawn.drawing(span, list(lanes.values()))
    for _name, since, until in drawn.moves(span):
        assert since <= until


MAPPING = """
version: 1
dataset: made-up
files:
  - file: entities.csv
    entities:
      - {key: "{key}", kind: "{kind}", type: "{type}", label: "{label}", date: "{date}"}
  - file: claims.csv
    claims:
      - {key: "{n}", subject: "{subject}", property: "{property}", value: "{value}", text: "{text}", source: S-X}
"""
ROWS = """key,kind,type,label,date
S-X,source,,a made-up source,2031
E-X,event,raid,{0},2031-02
M-X,measure,resolution,{0},2031-03
X-X,position,joined,{0},2031-03
"""
CLAIMS = "n,subject,property,value,text\n1,X-X,state,NOR,made up\n2,M-X,state,NOR,made up\n"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("user")
    made = Shell(home, home / "home" / "demo")
    example = Path(__file__).parent.parent / "examples" / "public-record"
    made.amparo("demo", "--example", str(example), "--pdf", str(home / "dossier.pdf"))
    tables = home / "tables"
    tables.mkdir()
    (tables / "entities.csv").write_text(ROWS.format(SCRIPT.replace(",", ";")), "utf-8")
    (tables / "claims.csv").write_text(CLAIMS, "utf-8")
    (tables / "mapping.yaml").write_text(MAPPING, "utf-8")
    made.amparo("import", str(tables))
    yield made
    made.lock()


@pytest.fixture
def pages(shell: Shell) -> Iterator[Pages]:
    opened = Pages(shell.workspace, shell.environment).opened()
    yield opened
    opened.close()


def test_a_column_leads_to_what_stands_behind_it(pages: Pages) -> None:
    """The list of a lane in a span holds what may fall into it; the drawing, its table and the list give the same number."""
    text = pages.ask("/timeline?from=2017-05&to=2017-05&lane=measures").text
    in_drawing = re.findall(r'lane=measures" tabindex="-1"><title>2017-05-\d\d: (\d+)', text)
    cells = re.findall(r"lane=measures\">(\d+) \+ (\d+)</a></td>", text)
    assert in_drawing
    assert len(cells) == 31
    listed = re.findall(r'<li><span class="when">([^<]*)</span> <a class="chip" href="/([A-Z]-\d+)"', text)
    assert len({handle for _, handle in listed}) == len(listed)
    [total] = re.findall(r"Measures, interventions, proceedings: (\d+)", text)
    assert len(listed) == int(total) > 5
    assert all(dates.parse(day).overlaps(dates.parse("2017-05")) for day, _handle in listed)


def test_attack_a_stored_script_does_not_run_in_drawings(pages: Pages) -> None:
    """A script in the label of an event, a measure and a position is words on the timeline's lists and in the matrix."""
    for path in ("/timeline?from=2031&to=2031&lane=events", "/timeline?from=2031&to=2031&lane=measures", "/matrix"):
        text = pages.ask(path).text
        assert "&lt;script&gt;" in text
        assert "<script>" not in text
        assert "onerror=alert(1)>" not in text


@pytest.mark.parametrize(
    "query", ["from=yesterday", "from=2018&to=2017", "lane=persons", "from=9999-99", "from=%00", "from=" + "9" * 400]
)
def test_a_wrong_span_is_one_sentence_and_the_whole_is_shown(pages: Pages, query: str) -> None:
    """What is no date, a span that runs backward and a lane that is none: 422, why, and the timeline of all."""
    answer = pages.ask(f"/timeline?{query}")
    assert answer.status == 422
    assert answer.sentence
    assert '<svg class="timeline"' in answer.text or 'class="timeline"' in answer.text


def test_no_person_stands_on_the_timeline(pages: Pages) -> None:
    """Its lists lead to events, acts and measures; there is no lane of persons, and no handle of one."""
    for lane in desk_timeline.LANES:
        assert not re.search(r'href="/P-\d+"', pages.ask(f"/timeline?lane={lane}").text)


def test_the_matrix_shows_each_state_once_with_its_sources(pages: Pages) -> None:
    """Rows are States in order, columns measures with how many States they have; each cell's mark leads to its position."""
    text = pages.ask("/matrix").text
    states = re.findall(r'<th scope="row">([A-Z]{3})</th>', text)
    assert states == sorted(set(states))
    assert len(states) > 30
    counts = [int(count) for count in re.findall(r'<span class="count">(\d+)</span></th>', text)]
    assert min(counts) >= 1
    assert max(counts) <= len(states)
    row = text[text.index('<th scope="row">GBR') :]
    row = row[: row.index("</tr>")]
    assert "Joined" in row
    assert re.search(r'href="/X-\d+"', row)
    assert re.search(r'href="/S-\d+"', row)


def test_an_empty_record_says_what_to_do(tmp_path: Path) -> None:
    """Without a date and without a State both pages say how to come to one."""
    made = Shell(tmp_path, tmp_path / "home" / "case")
    made.init()
    opened = Pages(made.workspace, made.environment).opened()
    assert "has a date yet" in opened.ask("/timeline").text
    assert "says nothing of States yet" in opened.ask("/matrix").text
    opened.close()
    made.lock()
