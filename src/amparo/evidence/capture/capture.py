"""One capture: a URL in, one WACZ file out, and what is known of how it came about.

Invariant: whatever happens to browser, page or network once the page has opened, what had arrived until then is a whole and
valid WACZ file; ``Captured.partial`` says why it is not more. What comes out goes to the stream it is given and nowhere else.
"""

import json
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from amparo.evidence.capture.browser import BrowserGone, BrowserRefused, BrowserSilent, Chromium, Launch, check_proxy
from amparo.evidence.capture.notes import Notes, Watcher
from amparo.evidence.capture.recorder import Limits, Recorder, Store, close_body
from amparo.evidence.capture.visit import HEIGHT, WIDTH, FrameText, Seen, Visit
from amparo.evidence.capture.wacz import SOFTWARE, WACZ, Out, Page, Signer, WaczWriter
from amparo.evidence.capture.warc import Bytes, WarcWriter, iso
from amparo.kernel.errors import AmparoError, BadInput, Unverified
from amparo.kernel.i18n import N_, _

LogIn = Callable[[Chromium, str], None]
"""Returns once the user has logged in, in the tab of that session; nothing is recorded before."""
_PEM: Final = 64  # characters of a line of base64


class BadAddress(BadInput):
    template = N_(
        "“{url}” is no address a browser could open; write it like https://example.org/page, without name and password."
    )


class NotCaptured(AmparoError):
    template = N_("The page did not open, so nothing was kept ({why}); see in a browser whether it opens there.")


class NotTrusted(Unverified):
    template = N_(
        "The server's certificate is not trusted ({why}), so nothing was kept: somebody may stand between you and the site. "
        "If its content is the evidence all the same, capture it with --accept-bad-certificate; the capture will say so."
    )


@dataclass(slots=True, frozen=True)
class Plan:
    """What to capture and how: ``wait`` s, ``scroll`` screens, ``size`` bytes at most; ``proxy`` a URL or ""."""

    url: str
    wait: float = 30
    scroll: int = 20
    size: int = 2 << 30
    video: bool = True
    proxy: str = ""
    program: str = ""
    login: bool = False
    visible: bool = False
    any_certificate: bool = False


@dataclass(slots=True)
class Captured:
    """What came of it; ``started`` and ``ended`` s since 1970; ``digest`` of datapackage.json; ``partial`` "" or why."""

    title: str
    texts: list[FrameText]
    facts: dict[str, Any]
    digest: str
    started: float
    ended: float
    partial: str = ""
    warnings: list[str] = field(default_factory=list)


def check_address(text: str) -> str:
    """A URL to open; https:// is put before one that has no scheme. Raises BadAddress."""
    url = text.strip()
    if "://" not in url and not url.startswith(("data:", "javascript:", "file:", "about:")):
        url = "https://" + url
    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        fine = False
    if not fine or parts.username is not None or any(char.isspace() or ord(char) < 32 for char in url):
        raise BadAddress(url=text[:200])
    return url


def capture(
    plan: Plan, out: Out, new_store: Callable[[], Store], *, signer: Signer | None = None,
    logged_in: LogIn | None = None, progress: Callable[[str], None] = lambda _what: None,
) -> Captured:  # fmt: skip
    """Capture a page into ``out``. ``plan.login`` lets ``logged_in`` do its work first, unrecorded.

    Raises BadAddress, BadProxy, NoBrowser, BrowserFailed, NotTrusted, NotCaptured.
    """
    url = check_address(plan.url)
    proxy = check_proxy(plan.proxy) if plan.proxy else ""
    launch = Launch(plan.program, proxy, visible=plan.visible)
    with Chromium(launch) as browser:
        try:
            return _Run(plan, url, out, new_store, signer, logged_in, progress, browser).go()
        except (BrowserGone, BrowserSilent, BrowserRefused) as error:  # before the page opened: later it is only partial
            raise NotCaptured(why=str(error)) from None


@dataclass
class _Run:
    plan: Plan
    url: str
    out: Out
    new_store: Callable[[], Store]
    signer: Signer | None
    logged_in: LogIn | None
    progress: Callable[[str], None]
    browser: Chromium
    started: float = field(default_factory=time.time)

    def go(self) -> Captured:
        version = self.browser.call("Browser.getVersion")
        session = self._tab()
        agent = self._agent(version)
        if self.plan.login and self.logged_in is not None:
            self.browser.call("Page.navigate", {"url": self.url}, session, timeout=60)
            self.logged_in(self.browser, session)
        self.started = time.time()
        notes = Notes()
        writer = WaczWriter(self.out, self.started)
        with writer.archive() as warc:
            warc.info(self.started, [
                ("software", SOFTWARE), ("format", "WARC File Format 1.1"),
                ("conformsTo", "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/"),
                ("http-header-user-agent", agent), ("robots", "ignored: one page, opened as by a reader"),
                ("description", f"{version['product']}; bodies as decoded by the browser"),
            ])  # fmt: skip
            recorder, seen = self._record(warc, notes, session, agent)
            facts = self._facts(version, agent, recorder, seen)
            self._extras(warc, recorder, seen, facts)
        pages = self._pages(seen)
        title = pages[0].title or urlsplit(self.url).hostname or ""
        digest = writer.finish(warc.lines, pages, title=title, main=pages[0], notes={}, signer=self.signer)
        return Captured(title, seen.frames, facts, digest, self.started, time.time(), facts["partial"], self._warnings(notes))

    def _tab(self) -> str:
        """The one tab there is, of a size that is always the same."""
        targets = self.browser.call("Target.getTargets")["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        session: str = self.browser.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        self.browser.call("Browser.setDownloadBehavior", {"behavior": "deny", "eventsEnabled": True})
        if not self.plan.visible:
            size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
            self.browser.call("Emulation.setDeviceMetricsOverride", size, session)
        return session

    def _agent(self, version: dict[str, Any]) -> str:
        """The user agent that servers are told: that of the browser with a window, or many would answer something else."""
        agent: str = version["userAgent"]
        return agent.replace("HeadlessChrome", "Chrome")

    def _record(self, warc: WarcWriter, notes: Notes, session: str, agent: str) -> tuple[Recorder, Seen]:
        limits = Limits(self.plan.size, self.plan.video, discreet=self.plan.login)
        watcher = Watcher(self.browser, notes)
        recorder = Recorder(self.browser, warc, self.new_store, limits, notes, watcher=watcher)
        recorder.setup = self._setup(agent)
        recorder.ask("Target.setDiscoverTargets", {"discover": True}, "", 20)
        recorder.attach(session)
        visit = Visit(recorder, session, self.plan.wait, self.plan.scroll, self.plan.visible, self.progress)
        seen = visit.open(self.url)
        self._certificates(recorder)
        recorder.close()
        if not recorder.urls:
            if seen.error.startswith("net::ERR_CERT") or "SSL" in seen.error:
                raise NotTrusted(why=seen.error)
            raise NotCaptured(why=seen.error or _("the browser ended before anything arrived"))
        if "ERR_CERT" in seen.error:
            raise NotTrusted(why=seen.error)
        return recorder, seen

    def _setup(self, agent: str) -> list[tuple[str, dict[str, Any]]]:
        """What every target is told first: the name of the browser, and whom to trust."""
        found: list[tuple[str, dict[str, Any]]] = []
        if not self.plan.visible:
            major = agent.partition("Chrome/")[2].partition(".")[0]
            brands = [{"brand": "Chromium", "version": major}, {"brand": "Not/A)Brand", "version": "24"}]
            platform = "macOS" if sys.platform == "darwin" else "Linux"
            told = {
                "brands": brands,
                "platform": platform,
                "platformVersion": "",
                "architecture": "",
                "model": "",
                "mobile": False,
            }
            found.append(("Emulation.setUserAgentOverride", {"userAgent": agent, "userAgentMetadata": told}))
        if self.plan.any_certificate:
            found.append(("Security.setIgnoreCertificateErrors", {"ignore": True}))
        return found

    def _certificates(self, recorder: Recorder) -> None:
        """Keep with each origin the chain of certificates its server showed."""
        for origin, known in list(recorder.notes.origins.items())[:100]:
            for session in list(recorder.sessions) if "tls" in known else ():
                found = recorder.ask("Network.getCertificate", {"origin": origin}, session, 10)
                if found and found.get("tableNames"):
                    known["chain"] = found["tableNames"]
                    break

    def _extras(self, warc: WarcWriter, recorder: Recorder, seen: Seen, facts: dict[str, Any]) -> None:
        """Pictures, certificates and notes as resource records (urn:view:..., as Browsertrix names them)."""
        now = time.time()
        for kind, media_type, body in seen.pictures:
            warc.resource(f"urn:{kind}:{self.url}", now, media_type, body)
            close_body(body)
        for origin, known in recorder.notes.origins.items():
            if chain := known.pop("chain", None):
                pem = "".join(_pem(one) for one in chain)
                warc.resource(f"urn:certificates:{origin}", now, "application/pem-certificate-chain", Bytes(pem.encode()))
        for frame in seen.frames[:1]:
            warc.resource(
                f"urn:text:{self.url}", now, "text/plain; charset=utf-8", Bytes(frame.text.encode("utf-8", "replace"))
            )
        info = {"pageid": "1", "url": self.url, "ts": iso(seen.opened), "urls": recorder.urls, "amparo": facts}
        warc.resource(f"urn:pageinfo:{self.url}", now, "application/json", Bytes(_json(info)))

    def _pages(self, seen: Seen) -> list[Page]:
        first = seen.frames[0] if seen.frames else FrameText("page", self.url, "", "", "")
        return [Page(self.url, seen.opened, first.title, "\n\n".join(frame.text for frame in seen.frames), uuid.uuid4().hex)]

    def _facts(self, version: dict[str, Any], agent: str, recorder: Recorder, seen: Seen) -> dict[str, Any]:
        notes = asdict(recorder.notes)
        for known in notes["origins"].values():
            known["certificates"] = len(known.pop("chain", ()))
        return {
            "url": self.url, "final url": seen.frames[0].url if seen.frames else "", "opened": iso(seen.opened),
            "started": iso(self.started), "ended": iso(time.time()), "wacz": WACZ, "software": SOFTWARE,
            "browser": version["product"], "user agent": agent, "proxy": self.plan.proxy, "logged in": self.plan.login,
            "window": [WIDTH, HEIGHT], "records": recorder.warc.records, "bytes": recorder.total,
            "screens scrolled": seen.screens, "media started": seen.media, "came to rest": seen.rested,
            "partial": self._partial(recorder, seen), "error": seen.error,
            "certificates accepted though not trusted": self.plan.any_certificate,
            "profile on a disk": bool(self.browser.place), **notes,
        }  # fmt: skip

    def _partial(self, recorder: Recorder, seen: Seen) -> str:
        if recorder.crashed:
            return _("the browser ended or the page crashed")
        if recorder.full:
            return _("the limit of bytes was reached")
        return "" if not seen.error or recorder.notes.downloads else seen.error

    def _warnings(self, notes: Notes) -> list[str]:
        found = []
        if self.browser.place:
            text = _("The browser's throw-away profile had to lie on a disk ({place}); it was removed, not overwritten.")
            found.append(text.format(place=self.browser.place))
        if notes.websockets:
            text = _("The page used {count} WebSocket connections, whose messages are not recorded.")
            found.append(text.format(count=len(notes.websockets)))
        if self.plan.any_certificate:
            found.append(_("Certificates were accepted without being trusted; the capture says so."))
        return found


def _pem(der: str) -> str:
    lines = [der[at : at + _PEM] for at in range(0, len(der), _PEM)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "replace")
