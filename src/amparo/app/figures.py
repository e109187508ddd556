"""What figures for reports share: elements of SVG, placed from the side where reading begins.

Invariants: black, white and hatching alone, so that a photocopy still tells; no control character gets in.
"""

from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from amparo.app.session import Session, require_folder
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, leftward
from amparo.vault.disk import Disk

WIDE: Final = 720
"""Width of a figure."""
FONT: Final = "'Noto Sans','Noto Sans Arabic','DejaVu Sans',sans-serif"


class Drawing:
    """Collects elements; ``x`` counts from the side where reading begins."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._rtl = leftward()

    @property
    def direction(self) -> str:
        return "rtl" if self._rtl else "ltr"

    def _from(self, x: float, wide: float = 0) -> str:
        return f"{WIDE - x - wide if self._rtl else x:.1f}"

    def text(self, x: float, y: float, words: str, *, anchor: str = "start", size: int = 14, bold: bool = False) -> None:
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(
            f'<text x="{self._from(x)}" y="{y:.1f}" direction="{self.direction}" text-anchor="{anchor}"'
            f' font-size="{size}"{weight}>{xml(words)}</text>'
        )  # fmt: skip

    def box(self, x: float, y: float, wide: float, high: float, fill: str) -> None:
        self.parts.append(
            f'<rect x="{self._from(x, wide)}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" fill="{fill}" stroke="#000"/>'
        )

    def line(self, x: float, y: float, to: float, wide: float = 1.0, colour: str = "#000") -> None:
        self.parts.append(f'<path d="M{self._from(x)} {y:.1f}V{to:.1f}" stroke="{colour}" stroke-width="{wide}"/>')


def xml(words: str) -> str:
    """Words as they may stand in XML 1.0: no control characters."""
    return escape("".join(letter for letter in words if letter.isprintable()))


class FigureThere(BadInput):
    template = N_("There is a file {file} already, and it is left as it is; name one that is not there yet.")


def require_new(target: Path) -> None:
    """Refuse a target before anything is computed for it. Raises NoFolder, FigureThere."""
    require_folder(target)
    if target.exists():
        raise FigureThere(file=target.name)


def write_counts(session: Session | None, target: Path, drawn: str, what: str) -> None:
    """Write a figure that holds counts alone; of a record (``session``) an entry ``what`` says that it left."""
    if session is not None:
        session.note_access(what, "", "counts")
    (session.disk if session else Disk()).atomic_write(target, drawn.encode())
