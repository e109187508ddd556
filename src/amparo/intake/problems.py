"""What is wrong with single rows: each problem says what and how to mend it; ``RowErrors`` collects them with their place.

Invariant: the memory of a collection is bounded, its counts are exact, no sentence repeats a value that identifies a person.
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from amparo.intake.tables import Table, TableRow
from amparo.kernel.errors import BadInput, DiskRefused
from amparo.kernel.i18n import N_, _

KEPT = 1_000
MAX_BAD = 100_000
_WARNED = 20
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

RowId = tuple[str, str, int]  # file, sheet, row number


class RowProblem(BadInput):
    """A failure of one row. ``template`` says what, ``mend`` how to mend it; both are translated where shown."""

    mend: ClassVar[str] = ""

    def how(self) -> str:
        return _(self.mend).format(**self.facts) if self.mend else ""


class Missing(RowProblem):
    template = N_("“{field}” is empty.")
    mend = N_("Fill the cell in.")


class NotAmong(RowProblem):
    template = N_("“{text}” is no {field} Amparo knows.")
    mend = N_("Write one of its terms; {near}")


class NoSuchKey(RowProblem):
    template = N_("Nothing has the key “{text}”.")
    mend = N_("Correct it, or add its row; {near}")


class KeyRejected(RowProblem):
    template = N_("The row of “{text}” has an error of its own.")
    mend = N_("Mend that row.")


class WrongKind(RowProblem):
    template = N_("“{text}” is a {kind}, but {field} must be one of: {expected}.")
    mend = N_("Refer to another key, or use another property.")


class RepeatedKey(RowProblem):
    template = N_("The key “{text}” stands in an earlier row too.")
    mend = N_("Give each row a key of its own.")


class KindChanged(RowProblem):
    template = N_("“{text}” was imported as {old} before and is {kind} now.")
    mend = N_("Give the new thing a key of its own.")


class NotADate(RowProblem):
    template = N_("“{text}” is not a date Amparo knows.")
    mend = N_("Write 2017, 2017-03, 2017-03-15, 2016-12/2017-02, “before 2017”, “after 2017-03” or “about 2017”.")


class DateSerial(RowProblem):
    template = N_("“{text}” is not a date; it is probably a spreadsheet's serial number for {date}.")
    mend = N_("Format the column as a date, or write {date}.")


class NotANumber(RowProblem):
    template = N_("“{text}” is not a number.")
    mend = N_("Write 1200, ~40 (about), >=40, >100, <=5, <5 or 30..40, without blanks or thousands separators.")


class NotAState(RowProblem):
    template = N_("“{text}” is not the code of a state.")
    mend = N_("Write three capital letters as in ISO 3166-1 alpha-3, such as FRA or DEU.")


class NotYesNo(RowProblem):
    template = N_("“{text}” is neither yes nor no.")
    mend = N_("Write yes or no (or true, false, 1, 0).")


class NotALanguage(RowProblem):
    template = N_("“{text}” is not a language tag.")
    mend = N_("Write a tag of BCP 47 such as en, ru, ce or ru-Latn.")


class ValueTooLong(RowProblem):
    template = N_("“{field}” has {length} characters; at most {limit} fit.")
    mend = N_("Shorten it, or put the words of the source into a passage.")


class NoValue(RowProblem):
    template = N_("The property “{property}” takes no value, but there is “{text}”.")
    mend = N_("Leave the value empty, or say it in the text.")


class NoSource(RowProblem):
    template = N_("The claim has no source.")
    mend = N_("Every statement has a source: name it, or a passage of this import that has one.")


class NamedPerson(RowProblem):
    template = N_("A person who is not marked official has a label.")
    mend = N_(
        "Move the name to `identities`, where it is sealed; set `official` only for whom published sources name in office."
    )


class NamelikeKey(RowProblem):
    template = N_("The key of a person who is not marked official is no code.")
    mend = N_("Write a code such as V-001; names stay out of the record.")


class GroundPlace(RowProblem):
    template = N_("The name of a place names a ground of persecution; a search by place would list persons by it.")
    mend = N_("Give the place its published name; a ground is said of the act alone.")


class BasisNotOfSource(RowProblem):
    template = N_("“basis” is for sources, but this is a {kind}.")
    mend = N_("Leave it empty.")


class Sealed(RowProblem):
    template = N_("The value is not valid (it is not shown, since it may identify a person).")
    mend = N_("It must fit “{field}”; see docs/guide/import.md.")


class TooManyBadRows(BadInput):
    template = N_("More than {limit} rows have errors; mend the mapping or the files before leaving rows out.")


class RejectsExist(BadInput):
    template = N_("“{file}” is there already and is not written over; name a new file for the rejected rows.")


class RejectsUnwritable(DiskRefused):
    template = N_("The rejected rows cannot be written to “{file}” ({why}); name another file.")


@dataclass(frozen=True, slots=True)
class RowError:
    """One error: where (``row`` as the spreadsheet program shows it), ``what`` is wrong, ``how`` to mend it."""

    file: str
    sheet: str
    row: int
    column: str
    error: str
    what: str
    how: str

    def __str__(self) -> str:
        sheet = f" [{self.sheet}]" if self.sheet else ""
        where = _("{file}{sheet}, row {row}, column {column}:").format(
            file=self.file, sheet=sheet, row=self.row, column=self.column or "-"
        )
        return f"{where} {self.what} {self.how}".rstrip()


@dataclass(frozen=True, slots=True)
class RowWarning:
    """A row to look at again; it is imported."""

    file: str
    sheet: str
    row: int

    def __str__(self) -> str:
        sheet = f" [{self.sheet}]" if self.sheet else ""
        return _(
            "{file}{sheet}, row {row}: the text on a person names a ground of persecution; better say it of the act."
        ).format(file=self.file, sheet=sheet, row=self.row)


@dataclass(slots=True)
class RowErrors:
    """What an import found. ``kept`` the first errors, ``count`` of them all, ``rows`` how many rows have any, ``bad`` which
    (at most MAX_BAD).

    ``new``, ``changed``, ``unchanged`` count records; ``warned`` counts rows whose text on a person names a ground,
    ``warnings`` are the first of them.
    """

    limit: int = KEPT
    kept: list[RowError] = field(default_factory=list)
    count: int = 0
    rows: int = 0
    bad: set[RowId] = field(default_factory=set)
    last: RowId = ("", "", 0)
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    warned: int = 0
    warnings: list[RowWarning] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)  # what was read, to write rejected rows from

    def add(self, row: TableRow, column: str, problem: BadInput) -> None:
        """Count the problem; keep its words and its row while there is room."""
        self.count += 1
        place = (row.file, row.sheet, row.number)
        self.rows += place != self.last and place not in self.bad
        self.last = place
        if len(self.bad) < MAX_BAD:
            self.bad.add(place)
        if len(self.kept) < self.limit:
            how = problem.how() if isinstance(problem, RowProblem) else ""
            name = type(problem).__name__
            self.kept.append(RowError(row.file, row.sheet, row.number, column, name, str(problem), how))

    def warn(self, row: TableRow) -> None:
        """Count a row whose text on a person names a ground of persecution."""
        self.warned += 1
        if len(self.warnings) < _WARNED:
            self.warnings.append(RowWarning(row.file, row.sheet, row.number))

    def begin(self) -> None:
        """Forget the counts of a trial run; errors and bad rows stay."""
        self.new = self.changed = self.unchanged = self.warned = 0
        self.warnings.clear()

    def write(self, path: Path) -> None:
        """Write the rejected rows as one CSV: file, sheet, row, why, then the columns of their tables.

        A cell that a spreadsheet program would run as a formula gets a leading apostrophe (OWASP, CSV injection).
        Raises RejectsExist, RejectsUnwritable.
        """
        why: dict[RowId, list[str]] = {}
        for error in self.kept:
            why.setdefault((error.file, error.sheet, error.row), []).append(f"{error.column}: {error.what} {error.how}".strip())
        places = {(file, sheet) for file, sheet, _row in self.bad}
        tables = {(table.file, table.sheet): table for table in self.tables if (table.file, table.sheet) in places}
        columns = list(dict.fromkeys(column for table in tables.values() for column in table.columns))
        try:
            with path.open("x", encoding="utf-8-sig", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["file", "sheet", "row", "why", *map(neutral, columns)])
                for table in tables.values():
                    for row in table.rows():
                        if (place := (row.file, row.sheet, row.number)) in self.bad:
                            reasons = " | ".join(why.get(place, ()))
                            cells = [row.cells.get(column, "") for column in columns]
                            writer.writerow(map(neutral, [row.file, row.sheet, str(row.number), reasons, *cells]))
        except FileExistsError:
            raise RejectsExist(file=path.name) from None
        except OSError as error:
            raise RejectsUnwritable(file=path.name, why=error.strerror or str(error)) from None


def neutral(cell: str) -> str:
    """Put an apostrophe before a cell that a spreadsheet program would take for a formula."""
    return "'" + cell if cell.startswith(_FORMULA_STARTS) else cell
