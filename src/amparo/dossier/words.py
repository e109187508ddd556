"""The fixed words of a dossier in the user's language, and partial dates as a reader writes them.

Invariant: the templates hold no word of their own; whatever a reader sees that is not data stands here.
"""

from datetime import date

from amparo.kernel import dates
from amparo.kernel.errors import BadDate
from amparo.kernel.i18n import N_, _

WORDS: dict[str, str] = {
    "demo": N_("EXAMPLE – demonstration workspace: consents, assessments and identities are made up"),
    "kind": N_("Dossier of the record"),
    "head": N_("State of the ledger"),
    "head hash": N_("Head of the ledger"),
    "purpose": N_("Purpose"),
    "audience": N_("For"),
    "chosen": N_("Only what tells of"),
    "standard": N_("Standards of proof used"),
    "no standard": N_("none: no claim has been assessed"),
    "what it is": N_(
        "This dossier sets out what sources say. Each numbered paragraph rests on claims, each claim on a source in Annex A. "
        "Claims that contradict each other stand side by side in section 4; whoever assessed them is named there. "
        "An allegation is an allegation until somebody competent has decided. Persons affected appear by a code only."
    ),
    "contents": N_("Contents"),
    "summary": N_("Summary"),
    "summary intro": N_("The figures that sources give. They are not added up: sources may count the same persons."),
    "no figures": N_("The record holds no figures."),
    "scope": N_("What the record holds"),
    "ground counts": N_("Acts by ground, as perceived by the perpetrator"),
    "ground note": N_("Small numbers are suppressed, and with them what would tell them by subtraction."),
    "ground": N_("Ground"),
    "acts": N_("Acts"),
    "figure": N_("Number"),
    "counted": N_("What is counted"),
    "event": N_("Event"),
    "period": N_("Period"),
    "stance": N_("Said as"),
    "chronology": N_("Chronology"),
    "no chronology": N_("The record holds no dated matters."),
    "timeline": N_("Timeline"),
    "timeline note": N_(
        "A bar lasts from the first to the last possible day; a dot is a single day; a dashed outline means “about”, an arrow "
        "an open end. Numbers are paragraphs. A year is drawn the wider the more it holds."
    ),
    "date": N_("Date"),
    "matter": N_("Matter"),
    "lane event": N_("Events and acts"),
    "lane statement": N_("Statements and denials"),
    "lane proceeding": N_("Proceedings"),
    "lane measure": N_("Measures and positions"),
    "lane protection": N_("Protection and help"),
    "events": N_("Events"),
    "no events": N_("The record holds no events."),
    "contradictions": N_("Contradictory claims and their assessment"),
    "no contradictions": N_("The record holds no claims that contradict each other."),
    "for": N_("Claims for"),
    "against": N_("Claims against"),
    "claim": N_("Claim"),
    "contradicted": N_("Contradicted by"),
    "none": N_("none on record"),
    "relations": N_("How they stand to each other"),
    "assessment": N_("Assessment"),
    "proposition": N_("Proposition"),
    "outcome": N_("Outcome"),
    "reasons": N_("Reasons"),
    "assessor": N_("Assessed by"),
    "not assessed": N_("Not assessed: the claims stand as they are."),
    "unassessed": N_("Further contradictions, not assessed"),
    "actors": N_("Actors and command"),
    "actors intro": N_(
        "Persons in office and institutions to which sources ascribe a part, with what is claimed of office and command. "
        "To be named here is not to be found responsible."
    ),
    "no actors": N_("The record ascribes acts to nobody."),
    "actor": N_("Actor"),
    "office": N_("Office, unit and command, as claimed"),
    "named": N_("Paragraphs"),
    "measures": N_("Measures and positions of States"),
    "no measures": N_("The record holds no measures or positions."),
    "matrix": N_("Who took part in what"),
    "state": N_("State"),
    "key": N_("Column"),
    "instrument": N_("Instrument"),
    "no record": N_("no record of joining"),
    "no record note": N_(
        "“No record of joining” says what the record lacks; it is not a refusal. An empty cell: not known as eligible."
    ),
    "proceedings": N_("Proceedings"),
    "no proceedings": N_("The record holds no proceedings."),
    "protection": N_("Protection and help"),
    "no protection": N_("The record holds no help that was given."),
    "annex": N_("Annex"),
    "sources": N_("Sources"),
    "sources intro": N_(
        "Every source cited, the basis on which it is used, the SHA-256 of the file that carries it, and its custody. "
        "Where no hash stands, the workspace keeps no file of the source. Tables from which claims were imported follow at "
        "the end: the place in a note names the table."
    ),
    "source": N_("Source"),
    "basis": N_("Basis"),
    "claims": N_("Claims"),
    "hash": N_("SHA-256"),
    "bytes": N_("{size} bytes"),
    "custody": N_("Custody"),
    "method": N_("Method and standard of proof"),
    "method 1": N_(
        "Claims. The unit of the record is the claim: who says what about whom, in which source, how they know it and how "
        "freely they spoke. Nothing is overwritten: a corrected claim is superseded, with the reason, and left out here."
    ),
    "method 2": N_(
        "Stance. The word in italics before a statement says in what stance the source makes it: allegation, finding, denial, "
        "official statement, report and so on. It is the source's stance, not a judgement of this dossier."
    ),
    "method 3": N_(
        "Assessment. A conclusion is a separate, dated, reasoned claim about claims and names its standard of proof. Sources "
        "of one origin count once. The ladder of standards, lowest first: {ladder}."
    ),
    "method 4": N_("Dates and numbers. Both are as exact as the source gives them and never more."),
    "method 5": N_(
        "Persons. Whoever is affected appears by a code; names lie sealed elsewhere. The ground of persecution belongs to an "
        "act, as the perpetrator perceived it; of an act against one person it is not printed, and words that name it are "
        "replaced by “[ground]”."
    ),
    "manifest": N_("Manifest"),
    "counts": N_("Counts"),
    "overrides": N_("Overrides at the gate"),
    "no overrides": N_("None: the gate let this dossier pass without an override."),
    "finding": N_("Finding"),
    "reason": N_("Reason"),
    "verify": N_("How to verify"),
    "verify text": N_(
        "Who holds the workspace follows any paragraph to its claim, passage, source, file hash, ledger entry and signature "
        "with “amparo trace C-0001”, and checks the whole ledger with “amparo verify”. The same ledger, options and program "
        "give this file again, byte for byte."
    ),
    "codes": N_("Codes of persons"),
    "codes note": N_(
        "The code of the record, and in brackets the one that the imported tables use."
    ),
    "contradicted in": N_("Contradicted in"),
    "index": N_("Claims of each paragraph"),
    "index note": N_("Device, entry and part of the ledger stand in brackets after the claims."),
    "page": N_("Page {page} of {pages}"),
    "coerced": N_("suspected coerced"),
    "custodial": N_("said in custody"),
}  # fmt: skip

STANCES: dict[str, str] = {
    "allegation": N_("Allegation"), "finding": N_("Finding"), "denial": N_("Denial"), "official": N_("Official statement"),
    "report": N_("Report"), "position": N_("Position"), "sanction": N_("Sanction"), "complaint": N_("Complaint"),
    "rebuttal": N_("Rebuttal"), "possibly coerced": N_("Possibly coerced"), "retracted": N_("Retracted"),
}  # fmt: skip
ACCESS: dict[str, str] = {
    "direct": N_("own perception"), "hearsay": N_("hearsay"), "inferred": N_("inferred"), "official": N_("official statement"),
    "document": N_("document"), "unknown": "",
}  # fmt: skip
PLAIN: dict[str, str] = {
    "published source": N_("published source"), "consent": N_("consent"), "unknown": N_("not recorded"),
    "record": N_("record"), "advocacy": N_("advocacy"), "complaint": N_("complaint"), "prosecution": N_("prosecution"),
    "publication": N_("publication"), "casework": N_("casework"), "research": N_("research"),
    "team": N_("the team"), "coalition": N_("the coalition"), "court": N_("a court"), "un body": N_("a UN body"),
    "government": N_("a government"), "press": N_("the press"), "public": N_("the public"),
    "supports": N_("supports"), "contradicts": N_("contradicts"), "explains": N_("explains"), "retracts": N_("retracts"),
    "same origin": N_("is of one origin with"), "undercuts": N_("undercuts"),
}  # fmt: skip
COUNTED: dict[str, str] = {
    "person": N_("persons"), "group": N_("groups"), "place": N_("places"), "event": N_("events"), "act": N_("acts"),
    "involvement": N_("involvements"), "source": N_("sources"), "intervention": N_("interventions"),
    "proceeding": N_("proceedings"), "measure": N_("measures"), "position": N_("positions"), "claim": N_("claims"),
    "link": N_("links between claims"), "assessment": N_("assessments"), "passage": N_("passages"), "consent": N_("consents"),
}  # fmt: skip
_SIGNS = {
    ">=": N_("at least {n}"), "<=": N_("at most {n}"), ">": N_("more than {n}"), "<": N_("fewer than {n}"),
    "~": N_("about {n}"),
}  # fmt: skip
_MONTHS = (
    N_("January"), N_("February"), N_("March"), N_("April"), N_("May"), N_("June"), N_("July"), N_("August"), N_("September"),
    N_("October"), N_("November"), N_("December"),
)  # fmt: skip


def words() -> dict[str, str]:
    """All fixed words, translated."""
    return {key: _(text) for key, text in WORDS.items()}


def plain(term: str) -> str:
    """A word of the record's closed lists in the user's language; what is in none of them as it is."""
    return _(PLAIN[term]) if term in PLAIN else term


def counted(kind: str) -> str:
    """The plural of a kind, as it stands after a number."""
    return _(COUNTED[kind]) if kind in COUNTED else kind


def stance(term: str) -> str:
    """How a source says something, as it is printed before it."""
    return _(STANCES[term]) if term in STANCES else term


def day(value: date) -> str:
    """15 March 2017."""
    return _("{day} {month} {year}").format(day=value.day, month=_(_MONTHS[value.month - 1]), year=value.year)


def when(text: str) -> str:
    """A canonical partial date in words: “December 2016 – February 2017”, “before March 2017”, “about 2017”."""
    try:
        known = dates.parse(text)
    except BadDate:
        return text
    first, slash, last = known.text.removesuffix("~").partition("/")
    if not slash:
        shown = _point(first)
    elif first == "..":
        shown = _("until {date}").format(date=_point(last))
    elif last == "..":
        shown = _("from {date}").format(date=_point(first))
    else:
        shown = _("{first} – {last}").format(first=_point(first), last=_point(last))
    return _("about {date}").format(date=shown) if known.about else shown


def _point(text: str) -> str:
    year, _dash, rest = text.partition("-")
    if not rest:
        return year
    if len(rest) == 2:
        return _("{month} {year}").format(month=_(_MONTHS[int(rest) - 1]), year=year)
    return day(date.fromisoformat(text))


def number(text: str) -> str:
    """A number as claimed, in words: ``>=3`` is “at least 3”, ``30..40`` is “30–40”."""
    for sign, shown in _SIGNS.items():
        if text.startswith(sign):
            return _(shown).format(n=text[len(sign) :].strip())
    return text.replace("..", "–")


def translated(text: str) -> str:
    """A fixed word of this module in the user's language."""
    return _(text)
