"""All checks of the project; ``./run test`` runs them all, in the environment that uv.lock describes.

Invariant: sessions make no environments of their own but one, where the built wheel is installed without the source tree.
"""

import ctypes.util
import os
import shutil
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "wheel", "tests"]
nox.options.error_on_missing_interpreters = True

ROOT = Path(__file__).parent
BUILT = ROOT / "build" / "wheel"
# What some tests use of the system, and the Debian package that has it. Without it those tests are skipped, visibly.
PROGRAMS = {
    "pdftoppm": "poppler-utils",
    "openssl": "openssl",
    "restic": "restic",
    "bwrap": "bubblewrap",
    "chromium": "chromium",
    "tesseract": "tesseract-ocr tesseract-ocr-rus tesseract-ocr-ara",
    "exiftool": "libimage-exiftool-perl",
    "flite": "flite",
}
# What is run a second time on the installed wheel: what starts processes of its own, reads the package's data, or is the day of
# a user from end to end. The source tree gets every test.
PACKAGED = ("wheel", "cli_journey", "app_example", "evidence_journey", "evidence_sandbox", "web_pages")
LIBRARIES = {"archive": "libarchive13", "chromaprint": "libchromaprint1"}


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, the direction of imports, that what is imported is declared and every sentence is in the catalogues."""
    session.run("ruff", "check", ".")
    session.run("python", "-m", "mypy")
    session.run("lint-imports", "--no-logo", env={"NO_COLOR": "1"})
    session.run("deptry", "src")
    session.run("python", "catalogues.py", "--check")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build sdist and wheel, install the wheel where there is no source tree, and try what was installed."""
    _system_packages(session)
    shutil.rmtree(BUILT, ignore_errors=True)
    session.run("uv", "build", "--quiet", "--out-dir", str(BUILT), str(ROOT))
    [sdist], [built] = BUILT.glob("*.tar.gz"), BUILT.glob("*.whl")
    shutil.unpack_archive(sdist, BUILT)
    tree = BUILT / sdist.name.removesuffix(".tar.gz")
    shutil.rmtree(tree / "src")
    python, pins = BUILT / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python", BUILT / "pins.txt"
    session.run("uv", "venv", "--quiet", "--python", sys.executable, str(BUILT / "venv"))
    export = ["uv", "export", "--quiet", "--locked", "--no-default-groups", "--group", "test", "--no-emit-project"]
    session.run(*export, "--output-file", str(pins), silent=True)
    session.run("uv", "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "--requirements", str(pins))
    session.run("uv", "pip", "install", "--quiet", "--python", str(python), "--no-deps", str(built))
    session.chdir(tree)
    where = session.run(str(python), "-c", "import amparo; print(amparo.__file__)", silent=True, external=True)
    if str(BUILT / "venv") not in str(where):
        session.error(f"the tests would not use the installed wheel but {where}")
    _pytest(session, str(python), *(f"tests/test_{name}.py" for name in PACKAGED))


@nox.session
def tests(session: nox.Session) -> None:
    """Every test, on the source tree."""
    _system_packages(session)
    _pytest(session, "python", *session.posargs)


def _pytest(session: nox.Session, python: str, *words: str) -> None:
    workers = ["--numprocesses", str(min(os.cpu_count() or 1, 8)), "--dist", "loadfile"] if not session.posargs else []
    env = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": None}
    session.run(python, "-m", "pytest", *workers, *words, external=True, env=env)


def _system_packages(session: nox.Session) -> None:
    """Say which system packages are missing; as root in CI on Debian, try to install them."""
    missing = [name for program, names in PROGRAMS.items() if shutil.which(program) is None for name in names.split()]
    missing += [package for library, package in LIBRARIES.items() if ctypes.util.find_library(library) is None]
    if missing and os.environ.get("CI") and shutil.which("apt-get") and os.geteuid() == 0:
        command = ["apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends", *missing]
        session.run(*command, external=True, silent=True, success_codes=range(256), env={"DEBIAN_FRONTEND": "noninteractive"})
    elif missing:
        session.warn(f"not installed, so some tests are skipped: {', '.join(missing)}")
