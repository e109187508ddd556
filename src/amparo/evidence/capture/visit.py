"""What a reader would do with the page: open it, wait for it, scroll through it, look at it, read it.

Invariant: every step has a bound in time and number; a page that never rests, never ends or hangs is captured as far as it
came, and ``Notes.problems`` says what could not be had. Scripts of ours run in a world of their own, which the page's
scripts cannot see or alter.
"""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from amparo.evidence.capture.recorder import Recorder, Store
from amparo.evidence.capture.warc import Body, Bytes
from amparo.kernel.i18n import N_

WIDTH: Final = 1280
HEIGHT: Final = 900
_TALLEST: Final = 16_384  # pixels: what Chromium can paint in one piece
_QUIET: Final = 1.0  # seconds
_TEXT: Final = 4 << 20  # characters of one frame's text
_FRAMES: Final = 100
_WORLD: Final = "amparo"

_READ: Final = """(() => ({
  url: location.href.slice(0, 8192), title: document.title.slice(0, 4096),
  text: (document.body ? document.body.innerText : '').slice(0, %d),
  language: (document.documentElement.lang || '').slice(0, 40),
  type: document.contentType }))()"""
_SCROLL: Final = """(() => { const box = document.scrollingElement || document.documentElement, was = box.scrollTop;
  window.scrollBy(0, Math.max(200, innerHeight - 100));
  return { moved: box.scrollTop - was, height: box.scrollHeight } })()"""
_BELOW: Final = """(() => { const box = document.scrollingElement || document.documentElement;
  return box.scrollHeight - box.scrollTop - innerHeight > 50 })()"""
_PLAY: Final = """(() => { let n = 0; for (const it of document.querySelectorAll('video, audio')) {
  it.muted = true; it.preload = 'auto'; it.play().catch(() => {}); n++ } return n })()"""


@dataclass(slots=True)
class FrameText:
    """What one frame showed: ``place`` "page" or "frame 2"; ``url`` its address."""

    place: str
    url: str
    title: str
    text: str
    language: str


@dataclass(slots=True)
class Seen:
    """What the visit found. ``pictures`` are (kind, media type, body) for the package."""

    error: str = ""
    frames: list[FrameText] = field(default_factory=list)
    pictures: list[tuple[str, str, Body]] = field(default_factory=list)
    rested: bool = True
    screens: int = 0
    media: int = 0
    opened: float = 0.0


@dataclass
class Visit:
    """One page in one tab. ``wait`` s that it may take to come to rest, ``scroll`` screens at most."""

    recorder: Recorder
    session: str
    wait: float = 30
    scroll: int = 20
    visible: bool = False
    progress: Callable[[str], None] = lambda _what: None
    seen: Seen = field(default_factory=Seen)
    _main: str = ""
    _dead: bool = False

    def open(self, url: str) -> Seen:
        """Go through all of it. ``Seen.error`` holds Chromium's name for why the page did not open."""
        ask, pump = self.recorder.ask, self.recorder.pump
        self.recorder.notes.problems += [] if ask("Page.enable", {}, self.session, 20) is not None else [N_("the tab is dead")]
        answer: list[dict[str, Any] | None] = []
        self.seen.opened = time.time()
        self.progress(N_("Opening the page"))
        # the answer comes only once the document's first bytes went through the recorder, so nobody may wait for it here
        self.recorder.browser.send("Page.navigate", {"url": url}, self.session, answer.append)
        pump(lambda: bool(answer), self.wait + 30)
        if answer and answer[0]:
            self.seen.error = answer[0].get("errorText", "")
            self._main = answer[0].get("frameId", "")
        if not answer:
            self.seen.error = "" if self.recorder.crashed or self.recorder.full else "net::ERR_TIMED_OUT"
        self.seen.rested = self._rest(self.wait)
        if self.seen.error:
            return self.seen
        for step in (self._wake, self._play, self._picture, self._walk, self._whole, self._print, self._read):
            if not (self.recorder.crashed or self._dead):
                step()
        return self.seen

    def _wake(self) -> None:
        """A page whose scripts never return answers nothing: stop them, or go without pictures and text."""
        if self._answers():
            return
        self.recorder.browser.send("Runtime.terminateExecution", {}, self.session)
        if self._answers():
            self.recorder.notes.add("problems", N_("a script of the page did not end and was stopped"))
        else:
            self._dead = True
            self.recorder.notes.add("problems", N_("the page stopped answering: there are no pictures and no text of it"))

    def _answers(self) -> bool:
        params = {"expression": "1", "returnByValue": True}
        return self.recorder.ask("Runtime.evaluate", params, self.session, 5) is not None

    def _rest(self, seconds: float, quiet: float = _QUIET) -> bool:
        """Wait until nothing has been under way for ``quiet`` s; False if that never came."""
        self.recorder.stir()
        return self.recorder.pump(lambda: self.recorder.idle_for >= quiet, seconds)

    def _run(self, code: str, session: str, frame: str, seconds: float = 15) -> Any:
        """Run a script of ours in a world of its own; None if the page is too busy."""
        world = self.recorder.ask(
            "Page.createIsolatedWorld", {"frameId": frame, "worldName": _WORLD, "grantUniveralAccess": False}, session, seconds
        )
        if world is None:
            return None
        params = {"expression": code, "contextId": world["executionContextId"], "returnByValue": True, "timeout": 10_000}
        found = self.recorder.ask("Runtime.evaluate", params, session, seconds)
        return (found or {}).get("result", {}).get("value")

    def _play(self) -> None:
        if not self.recorder.limits.video:
            return
        played = self._run(_PLAY, self.session, self._main)
        if isinstance(played, int) and played:
            self.seen.media = played
            self._rest(self.wait)

    def _walk(self) -> None:
        """Scroll down, screen by screen, so that what loads late loads; then back up."""
        self.progress(N_("Scrolling through the page"))
        height = 0
        for screen in range(self.scroll):
            found = self._run(_SCROLL, self.session, self._main)
            if not isinstance(found, dict):
                break
            self.seen.screens = screen + 1
            self._rest(5, 0.5)
            if found["moved"] <= 0 and found["height"] <= height:
                break
            height = found["height"]
        else:
            if self._run(_BELOW, self.session, self._main):
                self.recorder.notes.add("problems", N_("the page goes on below the last screen that was scrolled to"))
        self._run("window.scrollTo(0, 0)", self.session, self._main)

    def _picture(self) -> None:
        """The window as it is seen first."""
        self.progress(N_("Taking pictures"))
        self._shot("view", {})

    def _whole(self) -> None:
        """The page from top to bottom, as far down as Chromium can paint."""
        metrics = self.recorder.ask("Page.getLayoutMetrics", {}, self.session, 20)
        if metrics is None:
            return
        size = metrics["cssContentSize"]
        height = max(1, min(int(size["height"]), _TALLEST))
        if size["height"] > _TALLEST:
            self.recorder.notes.add(
                "problems", N_("the picture of the whole page ends at 16,384 pixels; the PDF has all of it")
            )
        width = max(1, min(int(size["width"]), 4 * WIDTH))
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        self._shot("fullPage", {"clip": clip, "captureBeyondViewport": True})

    def _shot(self, kind: str, more: dict[str, Any]) -> None:
        found = self.recorder.ask("Page.captureScreenshot", {"format": "png", **more}, self.session, 60)
        if found is None:
            self.recorder.notes.add("problems", N_("a picture of the page could not be taken"))
        else:
            self.seen.pictures.append((kind, "image/png", Bytes(base64.b64decode(found["data"]))))

    def _print(self) -> None:
        """The page on paper: A4, with its backgrounds."""
        params = {
            "printBackground": True, "preferCSSPageSize": False, "paperWidth": 8.27, "paperHeight": 11.69,
            "transferMode": "ReturnAsStream", "generateTaggedPDF": True,
        }  # fmt: skip
        made = self.recorder.ask("Page.printToPDF", params, self.session, 90)
        store: Store = self.recorder.new_store()
        ended = False
        while made and not ended:
            piece = self.recorder.ask("IO.read", {"handle": made["stream"], "size": 1 << 20}, self.session, 30)
            if piece is None:
                break
            data: str = piece["data"]
            store.write(base64.b64decode(data) if piece.get("base64Encoded") else data.encode())
            ended = piece["eof"]
        if made:
            self.recorder.browser.send("IO.close", {"handle": made["stream"]}, self.session)
        if ended and store.size:
            self.seen.pictures.append(("pdf", "application/pdf", store))
        else:
            self.recorder.notes.add("problems", N_("the page could not be printed to PDF"))

    def _read(self) -> None:
        """The text of the page and its frames, as the browser lays it out."""
        self.progress(N_("Reading the text"))
        # a frame of another site is in the tree of its parent as well; its own session is the one that can read it
        found_in = {frame: session for session in self.recorder.sessions for frame in self._frames(session)}
        for frame, session in list(found_in.items())[:_FRAMES]:
            found = self._run(_READ % _TEXT, session, frame)
            if not isinstance(found, dict):
                continue
            main = session == self.session and frame == self._main
            if not main and not str(found["text"]).strip():
                continue
            place = "page" if main else f"frame {len(self.seen.frames) + 1}"
            words = [str(found[name]) for name in ("url", "title", "text", "language")]
            self.seen.frames.append(FrameText(place, *words))
        self.seen.frames.sort(key=lambda frame: frame.place != "page")

    def _frames(self, session: str) -> list[str]:
        tree = self.recorder.ask("Page.getFrameTree", {}, session, 10)
        found: list[str] = []
        fresh = [tree["frameTree"]] if tree else []
        while fresh and len(found) < _FRAMES:
            node = fresh.pop(0)
            found.append(node["frame"]["id"])
            fresh += node.get("childFrames", [])
        return found
