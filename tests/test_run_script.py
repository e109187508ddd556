"""The two commands of the README: what they refuse, in one sentence each, and that CI runs what the README says."""

import ast
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Written in pieces, so that this file does not name what it forbids.
FORBIDDEN = [b"/" + b"work/", b"." + b"library", b"far" + b"m-", b"/ro" + b"ot/"]


def _checkout(folder: Path) -> Path:
    """A copy of what ``run`` needs for its first steps, and nothing it has fetched."""
    for name in ("run", "run.py", "bootstrap.txt", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, folder)
    return folder


def _run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, env={**os.environ, **variables}, check=False, timeout=120)


def _one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    *progress, sentence = done.stderr.splitlines()
    assert all(line.endswith("...") for line in progress)
    return sentence


def test_an_old_python_is_refused_with_one_sentence() -> None:
    """run.py started by Python 3.9 names the version it needs and does nothing else."""
    program = (
        "import runpy, sys; sys.version_info = (3, 9, 2, 'final', 0); sys.argv = ['run.py', 'demo'];"
        f"runpy.run_path({str(ROOT / 'run.py')!r}, run_name='__main__')"
    )
    sentence = _one_sentence(_run(sys.executable, "-c", program))
    assert "needs Python 3.11 or newer, and this is 3.9" in sentence


def test_run_py_can_be_read_by_an_old_python() -> None:
    """run.py has no syntax newer than Python 3.7, so an old Python gets as far as the sentence."""
    ast.parse((ROOT / "run.py").read_text(encoding="utf-8"), feature_version=(3, 7))


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell script")
def test_no_python_at_all_is_told_in_one_sentence(tmp_path: Path) -> None:
    """The shell script says what it looked for when the PATH has no Python 3.11."""
    (tmp_path / "dirname").symlink_to(shutil.which("dirname") or "/usr/bin/dirname")
    sentence = _one_sentence(_run("/bin/sh", ROOT / "run", "demo", PATH=str(tmp_path)))
    assert "needs Python 3.11 or newer" in sentence


def test_a_first_run_without_a_network_is_told_in_one_sentence(tmp_path: Path) -> None:
    """Where pip cannot reach a registry, the sentence says that the first run needs one and repeats what pip said."""
    nowhere = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_EXTRA_INDEX_URL": "", "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0",
        "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "",
    }  # fmt: skip
    if _run(_python_with_pip(), "-m", "pip", "--version").returncode:
        pytest.skip("no Python with pip")
    sentence = _one_sentence(_run(_python_with_pip(), _checkout(tmp_path) / "run.py", "demo", **nowhere))
    assert "pip could not fetch uv, and the first run needs the network" in sentence
    assert not list((tmp_path / ".tools").iterdir())


def test_a_python_without_pip_is_told_in_one_sentence(tmp_path: Path) -> None:
    """Where this Python has no pip, the sentence says how to get it."""
    if not _run(sys.executable, "-m", "pip", "--version").returncode:
        pytest.skip("this Python has pip")
    assert "has no pip; install it" in _one_sentence(_run(sys.executable, _checkout(tmp_path) / "run.py", "demo"))


def test_a_folder_that_cannot_be_written_is_told_in_one_sentence(tmp_path: Path) -> None:
    """Where .tools cannot be made, the sentence says that the checkout must be writable."""
    (_checkout(tmp_path) / ".tools").write_text("in the way")
    sentence = _one_sentence(_run(sys.executable, tmp_path / "run.py", "demo"))
    assert ".tools cannot be written" in sentence
    assert "copy the checkout to a writable folder" in sentence


def test_uv_is_pinned_by_hash() -> None:
    """The one tool fetched before the lock counts has an exact version and a SHA-256 for each wheel."""
    text = (ROOT / "bootstrap.txt").read_text(encoding="utf-8")
    assert re.search(r"^uv==\d+\.\d+\.\d+ \\$", text, re.MULTILINE)
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", text)) >= 10
    assert "--require-hashes" in (ROOT / "run.py").read_text(encoding="utf-8")


def test_the_lock_names_the_public_registry_only() -> None:
    """uv.lock holds no host but the canonical registry's, so it works anywhere and tells of no mirror."""
    text = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert set(re.findall(r"[a-z+]+://[^/\"]+", text)) == {"https://pypi.org", "https://files.pythonhosted.org"}


def test_an_unknown_command_shows_the_usage() -> None:
    """A command that run.py does not know ends with the exit code of wrong use and the list of commands."""
    done = _run(sys.executable, ROOT / "run.py", "dance")
    assert done.returncode == 2
    assert "usage: ./run demo" in done.stderr


def test_the_exit_code_of_the_program_is_passed_on(tmp_path: Path) -> None:
    """What amparo ends with is what ./run amparo ends with."""
    if not (ROOT / ".venv").is_dir():
        pytest.skip("no environment beside the source: these tests run on an installed wheel")
    assert _run(sys.executable, ROOT / "run.py", "amparo", "no-such-verb").returncode == 2
    assert _run(sys.executable, ROOT / "run.py", "amparo", "status", "--workspace", tmp_path / "none").returncode == 9


def test_ci_runs_the_test_command_of_the_readme() -> None:
    """.ci/run calls exactly the command that the README gives for the tests."""
    [command] = re.findall(r"^ +(\./run test)\b", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == f"exec {command}"


@pytest.mark.skipif(os.name == "nt", reason="no executable bit")
@pytest.mark.parametrize("name", ["run", ".ci/run"])
def test_scripts_can_be_executed(name: str) -> None:
    """The two scripts carry the executable bit."""
    assert (ROOT / name).stat().st_mode & stat.S_IXUSR


def test_the_licence_is_whole() -> None:
    """LICENSE is the text of the AGPL, version 3, from its title to its last section."""
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.split(None, 7)[:7] == "GNU AFFERO GENERAL PUBLIC LICENSE Version 3,".split()
    assert "13. Remote Network Interaction; Use with the GNU General Public License." in text
    assert len(text.split()) == 5535


def test_no_file_names_a_machine() -> None:
    """No tracked file holds a path or a tool of the machines that Amparo was written on."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    found = [
        f"{name}: {marker.decode()}"
        for name in listed.decode().split("\0")
        if name and (ROOT / name).is_file()
        for marker in FORBIDDEN
        if marker in (ROOT / name).read_bytes()
    ]
    assert not found


def _python_with_pip() -> str:
    """The system's Python behind this environment, which as uv made it has no pip."""
    name = "python.exe" if os.name == "nt" else f"bin/python3.{sys.version_info.minor}"
    base = Path(sys.base_prefix) / name
    return str(base) if base.exists() else sys.executable
