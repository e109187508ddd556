"""Timeline, matrix and network: what they lead to, that they name nobody unasked, and that nothing stored runs in them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_kit import Shell
from web_kit import POSIX, Pages
from work_kit import SCRIPT

from amparo.app import desk_timeline

pytestmark = POSIX
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


def test_attack_a_stored_script_does_not_run_in_drawings(pages: Pages) -> None:
    """A script in the label of an event, a measure and a position is words on the timeline's lists and in the matrix."""
    span = "/timeline?from=2031&to=2031"
    for path in (f"{span}&lane=event", span, "/matrix?page=2", "/network?of=E-0025"):
        text = pages.ask(path).text
        assert "&lt;script&gt;" in text or path.startswith("/network")
        assert "<script>document" not in text
        assert "onerror=alert(1)>" not in text


@pytest.mark.parametrize(
    "query", ["from=yesterday", "from=2018&to=2017", "from=9999-99", "from=%00", "from=" + "9" * 400]
)
def test_a_wrong_span_is_one_sentence_and_the_whole_is_shown(pages: Pages, query: str) -> None:
    """What is no date and a span that runs backward: 422, why, and the timeline of all."""
    answer = pages.ask(f"/timeline?{query}")
    assert answer.status == 422
    assert answer.sentence
    assert "<svg" in answer.text


def test_chains_and_patterns_tell_a_wrong_address_and_name_no_victim(pages: Pages) -> None:
    """A person and what is no handle are refused in a sentence; the chain above an event and all patterns name no victim."""
    assert pages.ask("/command?of=P-0001").status == 422
    assert pages.ask("/command?of=E-9999").status == 404
    assert pages.ask("/command?of=G-0013&at=yesterday").status == 422
    assert pages.ask("/patterns?which=ground").status == 200
    chain = pages.ask("/command?of=E-0001").text
    assert "G-0007" in chain
    for query in ("command?of=E-0001", *(f"patterns?which={which}" for which in ("sequences", "places", "means", "together"))):
        assert not re.search(r"[>/]P-000[1-9]", pages.ask(f"/{query}").text), query


def test_no_person_stands_on_the_timeline(pages: Pages) -> None:
    """Its lists lead to events, acts and measures; there is no lane of persons, and no handle of one."""
    for lane in set(desk_timeline.LANES) - {"happened", "said"}:  # those list claims, each with the handles it names
        text = pages.ask(f"/timeline?lane={lane}").text
        assert not re.search(r'<a class="chip" href="/P-\d+"', text), lane


def test_the_matrix_shows_each_state_once_with_its_sources(pages: Pages) -> None:
    """Rows are States, each once; each mark leads to what it rests on."""
    text = pages.ask("/matrix").text
    table = text[text.index("<tbody") : text.index("</tbody>")]
    states = re.findall(r'<th scope="row"[^>]*>(?:<[^>]*>)*([^<]+)', table)
    assert len(states) == len(set(states)) > 30
    assert "United Kingdom" in states
    row = table[table.index("United Kingdom") :]
    row = row[: row.index("</tr>")]
    assert re.search(r'href="/C-\d+"', row)
    assert re.search(r'href="/S-\d+"', row)


def test_the_network_shows_persons_by_handle_and_each_relation_with_its_claim(pages: Pages) -> None:
    """Chains of command, and the surroundings of a unit: a table of relations, each with the claims that tell of it."""
    for path in ("/network", "/network?of=G-0013&depth=2"):
        text = pages.ask(path).text
        table = text[text.index("<tbody") : text.index("</tbody>")]
        assert len(re.findall(r'href="/C-\d+"', table)) >= 1
        for handle, label in re.findall(r'<a class="chip" href="/(P-\d+)"><b>P-\d+</b>([^<]*)</a>', text):
            assert not label.strip(), handle


@pytest.mark.parametrize(
    ("query", "status"), [("of=Kadyrov", 422), ("of=P-9999", 404), ("of=G-0001&at=soon", 422), ("of=" + "G" * 500, 422)]
)
def test_what_is_no_handle_and_no_date_is_told(pages: Pages, query: str, status: int) -> None:
    """A name, an unknown handle and a date that is none: a sentence, and where to begin. Nobody is looked up by a word."""
    answer = pages.ask(f"/network?{query}")
    assert answer.status == status
    assert answer.sentence
    assert "<svg" in answer.text


def test_no_victim_is_listed_where_nothing_was_opened(pages: Pages, shell: Shell) -> None:
    """The start of the network and the timeline name no person who is the victim of an act."""
    text = pages.ask("/network").text + pages.ask("/timeline").text
    for act in shell.amparo("search", "--property", "victim", "--limit", "1000")["hits"]:
        handle = str(act["value"])
        assert not handle.startswith("P-") or f'href="/{handle}"' not in text, handle


def test_an_empty_record_says_what_to_do(tmp_path: Path) -> None:
    """Without a date, a relation or a State each page says how to come to one."""
    made = Shell(tmp_path, tmp_path / "home" / "case")
    made.init()
    opened = Pages(made.workspace, made.environment).opened()
    for path in ("/timeline", "/matrix", "/network"):
        answer = opened.ask(path)
        assert answer.status == 200
        assert "<svg" not in answer.text.partition("<main")[2]
    assert "has a date yet" in opened.ask("/timeline").text
    opened.close()
    made.lock()
