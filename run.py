"""Runs Amparo out of a checkout with nothing but Python 3.11+ and pip: ``python run.py demo``, or ``./run demo``.

Invariant: standard library only, readable by any Python 3.7+ (so that an old one gets a sentence), and nothing is written
outside this folder: a pinned, hash-checked uv goes to .tools, the locked environment to .venv, the demonstration to demo.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TOOLS = ROOT / ".tools"
VENV = ROOT / ".venv"
BOOTSTRAP = ROOT / "bootstrap.txt"
USAGE = """\
usage: ./run demo [--no-browser]   make a workspace from the worked example, and its dossier as PDF
       ./run test                  all checks and tests (what CI runs)
       ./run lint                  style, types and the direction of imports only
       ./run amparo VERB ...       the command line; ./run amparo --help lists the verbs
       ./run bench [NAME ...]      the measures of bench/RESULTS.md
"""


class Stop(Exception):
    """One sentence that ends the run."""


def main(words: list[str]) -> int:
    """Run one of the commands of USAGE and return its exit code."""
    if sys.version_info < (3, 11):
        raise Stop(
            f"Amparo needs Python 3.11 or newer, and this is {sys.version_info[0]}.{sys.version_info[1]}; "
            "install a newer one and run it by its own name, for example python3.12 run.py demo."
        )
    commands = {"demo": demo, "test": test, "lint": lint, "amparo": amparo, "bench": bench}
    if not words or words[0] not in commands:
        asked = bool(words) and words[0] in ("-h", "--help", "help")
        print(USAGE, end="", file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    return commands[words[0]](words[1:])


def demo(words: list[str]) -> int:
    """Make the demonstration workspace and its dossier, and open the dossier where there is a screen."""
    browser = "--no-browser" not in words
    words = [word for word in words if word != "--no-browser"]
    environment(tests=False)
    paths = [str(ROOT / "examples" / "public-record"), str(ROOT / "demo" / "workspace"), str(ROOT / "demo" / "dossier.pdf")]
    with contextlib.suppress(ValueError):
        paths = [os.path.relpath(path) for path in paths]
    example, workspace, pdf = paths
    code = call(program("amparo"), "demo", "--example", example, "--workspace", workspace, "--pdf", pdf, *words)
    screen = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if code == 0 and browser and screen and sys.stdout.isatty():
        webbrowser.open(Path(pdf).resolve().as_uri())
    return code


def test(words: list[str]) -> int:
    """Run every nox session, or pytest alone with ``words``."""
    environment(tests=True)
    return nox(*(["--session", "tests", "--", *words] if words else []))


def lint(words: list[str]) -> int:
    """Run the nox session that needs no test."""
    environment(tests=True)
    return nox("--session", "lint", *words)


def bench(words: list[str]) -> int:
    """Run one program of bench/, or list them."""
    known = sorted(path.stem[len("bench_") :] for path in (ROOT / "bench").glob("bench_*.py"))
    if not words or words[0] not in known:
        print("usage: ./run bench NAME ...; NAME is one of: " + ", ".join(known), file=sys.stderr)
        return 2
    environment(tests=True)
    return call(program("python"), str(ROOT / "bench" / f"bench_{words[0]}.py"), *words[1:])


def amparo(words: list[str]) -> int:
    """Run the command line in the folder where the user stands."""
    environment(tests=False)
    if os.name != "nt":  # no process of ours stands between the terminal and the verb
        os.execv(program("amparo"), ["amparo", *words])
    return call(program("amparo"), *words)


def environment(*, tests: bool) -> None:
    """Bring .venv to what uv.lock says. Where that was done before, nothing is run: it works without a network."""
    wanted = hashlib.sha256(str(ROOT).encode())
    for name in ("uv.lock", "pyproject.toml"):
        wanted.update((ROOT / name).read_bytes())
    stamp = VENV / ("amparo-with-tests" if tests else "amparo-without-tests")
    with contextlib.suppress(OSError):
        if stamp.read_text(encoding="ascii") == wanted.hexdigest() and Path(program("python")).exists():
            return
    arguments = [uv(), "sync", "--project", str(ROOT), "--locked", "--inexact", "--quiet"]
    say(f"Setting up the environment in {VENV.name} as uv.lock says ...")
    if call(*arguments, *([] if tests else ["--no-default-groups"])):
        raise Stop("uv could not set up .venv (it says why above); the first run needs the network and a writable folder.")
    try:
        stamp.write_text(wanted.hexdigest(), encoding="ascii")
    except OSError as error:
        raise Stop(f"{VENV} cannot be written ({error.strerror}); copy the checkout to a writable folder.") from None


def uv() -> str:
    """Return the path of the pinned uv, fetched with pip on the first run and checked against its hash."""
    version = next(line.split()[0] for line in BOOTSTRAP.read_text(encoding="utf-8").splitlines() if line.startswith("uv=="))
    home = TOOLS / version.replace("==", "-")
    if not found(home):
        say(f"Fetching {version} into {TOOLS.name} ...")
        part = TOOLS / f"{home.name}.{os.getpid()}"
        try:
            TOOLS.mkdir(exist_ok=True)
            fetch(part)
            with contextlib.suppress(OSError):  # another run may have been quicker
                part.rename(home)
        except OSError as error:
            raise Stop(f"{TOOLS} cannot be written ({error.strerror}); copy the checkout to a writable folder.") from None
        finally:
            shutil.rmtree(part, ignore_errors=True)
    path = found(home)
    if path is None:
        raise Stop(f"pip left no uv in {home}; remove that folder and try again.")
    return path


def fetch(folder: Path) -> None:
    """Install what bootstrap.txt pins into ``folder`` with this Python's pip."""
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        raise Stop(
            f"{sys.executable} has no pip; install it and try again "
            "(Debian: apt install python3-pip; elsewhere: python -m ensurepip)."
        )
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    done = subprocess.run(
        [*pip, "install", *options, "--target", str(folder), "--requirement", str(BOOTSTRAP)],
        stderr=subprocess.PIPE, encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines() or ["?"]
        raise Stop(f"pip could not fetch uv, and the first run needs the network for that. pip says: {lines[-1]}")


def found(home: Path) -> str | None:
    """Return uv's program below ``home``."""
    return shutil.which("uv", path=os.pathsep.join(str(home / name) for name in ("bin", "Scripts")))


def variables() -> dict[str, str]:
    """Return what the programs in .venv and uv get as environment: this Python, .venv and .tools first on the PATH."""
    kept = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    if sys.prefix == sys.base_prefix:
        kept.setdefault("UV_PYTHON", sys.executable)
    if "PIP_CERT" in kept:  # where pip was given a certificate for the network it stands in, uv needs it as well
        kept.setdefault("SSL_CERT_FILE", kept["PIP_CERT"])
    folders = [str(Path(program("python")).parent), str(Path(uv()).parent), kept.get("PATH", os.defpath)]
    return {**kept, "PATH": os.pathsep.join(folders), "UV_PROJECT_ENVIRONMENT": str(VENV)}


def program(name: str) -> str:
    """Return the path of a program of .venv."""
    return str(VENV / "Scripts" / (name + ".exe")) if os.name == "nt" else str(VENV / "bin" / name)


def nox(*words: str) -> int:
    """Run the sessions of noxfile.py."""
    return call(program("python"), "-m", "nox", "--noxfile", str(ROOT / "noxfile.py"), *words)


def call(*arguments: str) -> int:
    """Run a program to its end and return its exit code; Ctrl-C reaches it as it reaches us."""
    return subprocess.run(arguments, env=variables(), check=False).returncode


def say(sentence: str) -> None:
    """Tell of work that takes a while, where it does not mix with a program's output."""
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Stop as stop:
        print(stop, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
