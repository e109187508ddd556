"""Draws every page of `amparo open` for docs/screens: `python tests/screens.py`.

Three widths, light above dark, one WebP a page and language. The worked example is shown, whose persons bear codes. They are
looked at before each release; a change of the pages shows here as a change of a picture.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from cli_kit import Shell
from PIL import Image
from playwright.sync_api import sync_playwright
from test_web_pages import EXAMPLE, PAGES
from web_kit import CHROMIUM, Pages

OUT: Final = Path(__file__).parent.parent / "docs" / "screens"
WIDTHS: Final = (1280, 768, 360)
HEIGHT: Final = 1100
SCALE: Final = 0.5  # of a pixel: enough to see what is ugly, little to keep
LANGUAGES: Final = ("ru", "ar")


def draw(browser: Any, pages: Pages, state: Any, language: str, paths: list[str]) -> None:
    """One picture a page."""
    shots: dict[str, dict[tuple[str, int], bytes]] = {path: {} for path in paths}
    for scheme in ("light", "dark"):
        for width in WIDTHS:
            context = browser.new_context(
                locale=language, color_scheme=scheme, viewport={"width": width, "height": HEIGHT}, device_scale_factor=SCALE,
                storage_state=state,
            )  # fmt: skip
            page = context.new_page()
            for path in paths:
                page.goto(pages.base + path)
                shots[path][scheme, width] = page.screenshot()
            context.close()
    for path, taken in shots.items():
        name = path.strip("/").partition("?")[0].replace("/", "-") or "home"
        sheet(taken).save(OUT / f"{language}-{name}.webp", quality=55, method=6)


def sheet(taken: dict[tuple[str, int], bytes]) -> Image.Image:
    """The shots side by side, light above dark."""
    pictures = {key: Image.open(io.BytesIO(data)).convert("RGB") for key, data in taken.items()}
    height = round(HEIGHT * SCALE)
    made = Image.new("RGB", (round(sum(WIDTHS) * SCALE) + 20, 2 * height + 10), "#888")
    for row, scheme in enumerate(("light", "dark")):
        left = 0
        for width in WIDTHS:
            made.paste(pictures[scheme, width], (left, row * (height + 10)))
            left += round(width * SCALE) + 10
    return made


def main() -> None:
    """Make the workspace of the worked example, serve it, draw, throw it away."""
    paths = sys.argv[1:] or list(PAGES)
    OUT.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="amparo-screens-"))
    shell = Shell(home, home / "home" / "demo")
    try:
        shell.amparo("demo", "--example", str(EXAMPLE), "--pdf", str(home / "dossier.pdf"))
        pages = Pages(shell.workspace, shell.environment)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            door = browser.new_page()
            door.goto(pages.address)  # lets one browser in, once
            door.wait_for_url(f"{pages.base}/")
            for language in LANGUAGES:
                draw(browser, pages, door.context.storage_state(), language, paths)
            browser.close()
        pages.close()
        shell.lock()
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
