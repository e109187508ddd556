"""The view of the compartment ``testimony``: passages (the words of sources), and which sealed files carry a source.

Invariant: as ``record.store``. Ground words are not indexed and hits are masked, as everywhere (record.ground).
"""

from typing import Any, ClassVar

from amparo.record import tokens
from amparo.record.digest import digest
from amparo.record.ground import mask
from amparo.record.model import File, Passage
from amparo.record.query import compile_query, excerpt
from amparo.record.store import Keys, Origin, Store


class TestimonyView(Store):
    """passages@1 and files@1."""

    __test__: ClassVar[bool] = False  # not a test, whatever its name makes pytest think
    WORDS = ("words",)

    def _keys(self, type: str, row: list[Any]) -> Keys:
        if type == Passage.TYPE:
            return Keys(id=row[0], a=row[1])
        return Keys(a=row[0]) if type == File.TYPE else Keys()

    def _came(self, type: str, n: int, row: list[Any]) -> None:
        if type == Passage.TYPE:
            self.db.execute("INSERT INTO words (rowid, t) VALUES (?, ?)", (n, tokens.tokens(row[3])))

    def _left(self, type: str, n: int, row: list[Any]) -> None:
        if type == Passage.TYPE:
            self.db.execute("INSERT INTO words (words, rowid, t) VALUES ('delete', ?, ?)", (n, tokens.tokens(row[3])))

    def passage(self, handle: str) -> Passage | None:
        """One passage, in full."""
        return next((Passage.from_row(row) for row in self.rows(Passage.TYPE, "id = ?", (handle,))), None)

    def passages(self, source: str) -> list[Passage]:
        """The passages of one source, in the order they were recorded."""
        return [Passage.from_row(row) for row in self.rows(Passage.TYPE, "a = ?", (source,))]

    def files(self, source: str) -> list[File]:
        """The sealed files that carry a source, oldest first."""
        return [File.from_row(row) for row in self.rows(File.TYPE, "a = ?", (source,))]

    def search(self, query: str, *, limit: int = 50) -> list[tuple[str, str]]:
        """(passage, masked excerpt) of the newest passages that have all words of the query; [] for one with a ground word."""
        compiled = compile_query(query)
        if not compiled.expression:
            return []
        newest = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?"
        found = self.db.execute(newest, (compiled.expression, limit))
        hits = [self.rows(Passage.TYPE, "n = ?", number)[0] for number in found]
        return [(row[0], excerpt(mask(row[3]), compiled.stems)) for row in hits]

    def find(self, dataset: str, key: str, table: str) -> tuple[str, bytes] | None:  # noqa: ARG002
        """(handle, digest) of a passage under its handle (``dataset`` is ""), or None."""
        found = self.rows(table, "id = ?", (key,)) if table == Passage.TYPE else []
        return (found[0][0], digest(table, found[0])) if found else None

    def origins_of_source(self, source: str) -> list[Origin]:
        """The parts that hold passages and file keys of a source: what an erasure shreds."""
        return self._origins("SELECT part FROM rows WHERE a = ? AND a <> ''", (source,))
