"""The pages of `amparo open` over 1,000,000 made-up claims about 100,000 events; a facet query beside Datasette's on plain SQLite.

    ./run bench pages [--claims 1000000] [--folder DIR]

Times are of whole requests over the loopback, from the request to the last byte, on a warm server; each page forty times, of as
many different things. With --folder the workspace stays there for the next run.
"""

import argparse
import csv
import gzip
import http.client
import random
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote, urlencode

import bench_import
import harness
from harness import goal

SAMPLES = 40
PASSPHRASE = "a made-up passphrase"
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}


class Server:
    """`amparo open` on the workspace, entered and unlocked."""

    def __init__(self, workspace: Path) -> None:
        command = [sys.executable, "-m", "amparo", "open", "--no-browser", "-w", str(workspace)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        found = re.search(r"http://([^/]+)(/\S+)", self.process.stdout.readline())
        assert found is not None
        self.host = found[1]
        self.headers = {"Host": self.host}
        self.connection = http.client.HTTPConnection("127.0.0.1", int(self.host.rpartition(":")[2]), timeout=300)
        _, _, cookie = self.get(found[2])
        self.headers["Cookie"] = cookie.partition(";")[0]
        self.get("/unlock")

    def get(self, path: str) -> tuple[bytes, float, str]:
        """(body, milliseconds, cookie that was set)."""
        started = time.perf_counter()
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status not in (200, 303):
            raise SystemExit(f"{path} answered {answer.status}")
        return body, (time.perf_counter() - started) * 1e3, answer.getheader("set-cookie") or ""

    def search(self, **fields: str) -> float:
        """Milliseconds of a search and of the page it leads to."""
        started = time.perf_counter()
        self.connection.request("POST", "/search", urlencode(fields), {**self.headers, **FORM})
        answer = self.connection.getresponse()
        answer.read()
        self.get(str(answer.getheader("location")))
        return (time.perf_counter() - started) * 1e3

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def make(folder: Path, claims: int) -> None:
    """Tables and a workspace of them, unless they are there."""
    if not (folder / "workspace" / "amparo.json").exists():
        (folder / "tables").mkdir(exist_ok=True)
        bench_import.make_tables(folder / "tables", claims, 10)
        done = bench_import.child("import", str(folder))
        print(f"workspace of {claims:,} claims made in {done['seconds']:.0f} s")


def first_paint(server: Server) -> None:
    """What the first page, its style and its script weigh, gzipped."""
    bodies = [server.get(path)[0] for path in ("/", "/static/amparo.css", "/static/amparo.js")]
    weight = sum(len(gzip.compress(body)) for body in bodies) / 1024
    goal("first paint transfers KiB, gzipped", weight, 150, at_least=False)


def pages(server: Server, events: int) -> None:
    """Every kind of page, of different things each time."""
    rng = random.Random(7)

    def one(form: str, most: int) -> list[str]:
        return [form.format(rng.randint(1, most)) for _ in range(SAMPLES)]

    asked: dict[str, list[str]] = {
        "home": ["/"] * SAMPLES, "activity": ["/activity"] * SAMPLES, "search, whole record": ["/search"] * SAMPLES,
        "event": one("/E-{:04d}", events), "event, edited": one("/E-{:04d}/edit", events), "place (3,000 claims name it)": one("/L-{:04d}", 300),
        "source (2,500 claims)": one("/S-{:04d}", 400), "claim": one("/C-{:04d}", events * 10),
        "correct": one("/C-{:04d}/correct", events * 10),
    }  # fmt: skip
    for path in ("/timeline", "/map", "/matrix", "/assess", "/evidence", "/imports", "/dossiers", "/integrity", "/help"):
        if exists(server, path):
            asked[path[1:]] = [path] * SAMPLES
    if exists(server, "/network"):
        asked["network"] = one("/network?of=E-{:04d}", events)
    taken: list[float] = []
    rows = []
    for name, paths in asked.items():
        times = sorted(server.get(path)[1] for path in paths)
        taken += times
        rows.append([name, f"{statistics.median(times):.1f}", f"{times[len(times) * 95 // 100]:.1f}", f"{times[-1]:.1f}"])
    words = rng.choices(bench_import.WORDS, k=SAMPLES)
    times = sorted(server.search(words=word) for word in words)
    taken += times
    rows.append(["search, a common word", f"{statistics.median(times):.1f}", f"{times[SAMPLES * 95 // 100]:.1f}", f"{times[-1]:.1f}"])
    harness.table(["page", "median ms", "p95 ms", "worst ms"], rows)
    goal("highest median of any page, ms", max(float(row[1]) for row in rows), 60, at_least=False)
    goal("highest p95 of any page, ms", max(float(row[2]) for row in rows), 200, at_least=False)


def exists(server: Server, path: str) -> bool:
    server.connection.request("GET", path, headers=server.headers)
    answer = server.connection.getresponse()
    answer.read()
    return answer.status == 200


def plain(folder: Path) -> Path:
    """The same claims as plain SQLite with FTS5, as Datasette's users have it."""
    path = folder / "plain.db"
    if not path.exists():
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE claims (id INTEGER PRIMARY KEY, subject, text, valid, place, source)")
        with (folder / "tables" / "claims.csv").open(encoding="utf-8", newline="") as stream:
            rows = ((r["subject"], r["text"], r["valid"][:4], r["place"], r["source"]) for r in csv.DictReader(stream))
            database.executemany("INSERT INTO claims (subject, text, valid, place, source) VALUES (?, ?, ?, ?, ?)", rows)
        for column in ("place", "source", "valid"):
            database.execute(f"CREATE INDEX claims_{column} ON claims ({column})")
        database.execute("CREATE VIRTUAL TABLE claims_fts USING fts5(text, content='claims', content_rowid='id')")
        database.execute("INSERT INTO claims_fts (claims_fts) VALUES ('rebuild')")
        database.commit()
        database.close()
    return path


def beside_datasette(server: Server, folder: Path) -> None:
    """The same words and facets asked of both, in turn."""
    if not harness.tool("datasette"):
        return
    database = plain(folder)
    port = 8765
    process = subprocess.Popen(["datasette", str(database), "--port", str(port), "--setting",
                                "facet_time_limit_ms", "20000", "--setting", "sql_time_limit_ms", "60000"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    for _try in range(100):
        try:
            connection.connect()
            break
        except OSError:
            time.sleep(0.2)
    ours, theirs = [], []
    words = random.Random(11).choices(bench_import.WORDS, k=SAMPLES)
    for word in words:
        ours.append(server.search(words=word))
        started = time.perf_counter()
        facets = "&_facet=place&_facet=source&_facet=valid"
        connection.request("GET", f"/plain/claims?_search={quote(word)}{facets}")
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"Datasette answered {answer.status}")
        theirs.append((time.perf_counter() - started) * 1e3)
    process.terminate()
    process.wait()
    mine, peer = statistics.median(ours), statistics.median(theirs)
    print(f"facet query of a common word: Amparo {mine:.1f} ms, Datasette {peer:.1f} ms (medians)")
    goal("time over Datasette's", mine / peer, 1.5, at_least=False)


def main() -> None:
    """Make, serve, ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    print(harness.machine())
    with tempfile.TemporaryDirectory() as name:
        folder = chosen.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        make(folder, chosen.claims)
        from amparo.app import opening
        from amparo.vault.slots import Passphrase

        workspace = folder / "workspace"
        opening.unlock(workspace, opening.read_ring(workspace, "everyday", Passphrase(PASSPHRASE)))
        server = Server(workspace)
        try:
            first_paint(server)
            pages(server, chosen.claims // 10)
            beside_datasette(server, folder)
        finally:
            server.close()


if __name__ == "__main__":
    main()
