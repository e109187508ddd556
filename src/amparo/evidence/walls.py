"""What stands around the process that has the readers' libraries: the command that starts it.

Invariant: of the file system it is given what Python and the libraries need, to read, and nothing else; it gets no environment
and no descriptor but its socket (``sandbox`` sees to that).

Sources: bwrap(1); Filesystem Hierarchy Standard 3.0.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Final

import amparo

BUBBLEWRAP: Final = "bubblewrap"
PROCESS: Final = "process"
LEVELS: Final = (BUBBLEWRAP, PROCESS)
"""The strongest first: a root of its own and name spaces; a process that gives up by itself what the system lets it give up."""

_FIRST_TO_GO: Final = ("/bin/sh", "-c", 'echo 1000 2>/dev/null >/proc/self/oom_score_adj; exec "$@"', "sh")
"""Where memory runs out, the kernel ends what runs in here before the process with the keys (proc(5), oom_score_adj)."""


def libraries(plugins: Path | None) -> tuple[list[str], list[str]]:
    """(sys.path of the sandbox beyond the standard library, all paths it may read)."""
    package = Path(amparo.__file__).resolve().parent
    sites = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    sites |= {path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")}
    folders = sorted(path for path in sites if Path(path).is_dir())
    bases = {sys.base_prefix, sys.base_exec_prefix, os.path.realpath(sys.base_prefix)}
    system = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store"]
    system += ["/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/System", "/Library"]
    extra = [str(plugins.resolve())] if plugins else []
    readable = [path for path in system if os.path.lexists(path)]
    readable += [path for path in (*sorted(bases), *folders, str(package), *extra) if not path.startswith("/usr/")]
    return [str(package.parent), *folders], [path for path in readable if path not in ("/", "/usr/local")]


def command(level: str, plugins: Path | None) -> list[str] | None:
    """What to start, None where the level is not to be had."""
    walled = _walled(level, plugins)
    return [*_FIRST_TO_GO, *walled] if walled and sys.platform == "linux" else walled


def _walled(level: str, plugins: Path | None) -> list[str] | None:
    path, readable = libraries(plugins)
    folder = str(plugins.resolve()) if plugins else ""
    start = (
        f"import sys; sys.path += {path!r}; from amparo.evidence.worker import main; main({readable!r}, {level!r}, {folder!r})"
    )
    python = [os.path.realpath(sys.executable), "-I", "-S", "-B", "-X", "utf8", "-c", start]
    if level == PROCESS:
        return python
    bubblewrap = shutil.which("bwrap") if sys.platform == "linux" else None
    if bubblewrap is None:
        return None
    root = os.geteuid() == 0
    # --die-with-parent would mean the death of the thread that started it; a closed socket ends all in here anyway
    walls = [bubblewrap, "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    if root:  # the process inside becomes nobody by itself, so that root's files and privileges are out of reach
        walls += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        walls += ["--unshare-user"]
    for place in readable:
        if Path(place).is_symlink():
            walls += ["--symlink", os.readlink(place), place]  # noqa: PTH115 - the link as it is written
        else:
            for above in reversed(Path(place).parents[:-1]):  # made 0700 otherwise, and nobody could not pass
                walls += ["--perms", "0755", "--dir", str(above)]
            walls += ["--ro-bind-try", place, place]
    return [*walls, "--dev", "/dev", "--remount-ro", "/", "--new-session", "--chdir", "/", "--", *python]
