"""One error class per failure; its sentence says what, where, and how to mend it.

An error never carries a sealed name, a key or a passphrase: its facts may reach a log or a screen.
"""

from typing import ClassVar

from amparo.kernel.i18n import N_, _
from amparo.kernel.text import printable


class AmparoError(Exception):
    """A failure the user can act on.

    ``template`` is the English sentence with ``{fact}`` placeholders, ``exit_code`` what a shell sees
    (docs/guide/exit-codes.md). ``facts`` go to ``--json`` unchanged, so they must be plain str, int or list.
    """

    template: ClassVar[str] = N_("Something went wrong.")
    exit_code: ClassVar[int] = 1

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        super().__init__(facts)

    def __str__(self) -> str:
        return printable(_(self.template).format(**self.facts))

    def as_json(self) -> dict[str, object]:
        """Return the error as the object that ``--json`` prints: error, sentence, facts."""
        return {"error": type(self).__name__, "sentence": str(self), **self.facts}


# Exit codes (one meaning each, everywhere): 0 done; 1 other failure; 2 wrong use of the command line;
# 3 locked or wrong passphrase; 4 bad input; 5 verification failed; 6 the gate refused; 7 the disk refused;
# 8 busy (another process holds the workspace); 9 not found; 130 stopped by the user.
class Locked(AmparoError):
    exit_code = 3


class BadInput(AmparoError):
    exit_code = 4


class Unverified(AmparoError):
    exit_code = 5


class GateRefused(AmparoError):
    exit_code = 6


class DiskRefused(AmparoError):
    exit_code = 7


class Busy(AmparoError):
    exit_code = 8


class NotFound(AmparoError):
    exit_code = 9


class NotCanonical(Unverified):
    template = N_("The bytes are not canonical CBOR ({why}); they were not written by Amparo or have been changed.")


class BadDate(BadInput):
    template = N_(
        "“{text}” is not a date Amparo knows; write 2017, 2017-03, 2017-03-15, 2016-12/2017-02, "
        "“before 2017”, “after 2017-03” or “about 2017”."
    )


class BadHandle(BadInput):
    template = N_("“{text}” is not an id; ids look like P-0001, E-0012 or C-345.")
