"""What is installed is whole: every module can be imported, and every file of data lies where the program looks for it."""

import importlib
import importlib.resources
import pkgutil
import sys

import amparo

POSIX_ONLY = ("amparo.evidence.capture", "amparo.evidence.jail", "amparo.evidence.seccomp")


def test_every_module_can_be_imported() -> None:
    """No module needs what the package does not declare; ``__main__`` modules are for running."""
    names = [module.name for module in pkgutil.walk_packages(amparo.__path__, "amparo.")]
    assert len(names) > 200
    for name in names:
        if not name.endswith("__main__") and not (sys.platform == "win32" and name.startswith(POSIX_ONLY)):
            importlib.import_module(name)


def test_the_data_of_the_package_is_there() -> None:
    """Vocabularies, layouts, catalogues, the pages' templates and static files, and the verifier for exports."""
    root = importlib.resources.files("amparo")
    kinds = {str(path).rpartition(".")[2] for path in _files(root)}
    assert {"yaml", "typ", "po", "html", "css", "js"} <= kinds


def _files(folder: importlib.resources.abc.Traversable) -> list[importlib.resources.abc.Traversable]:
    found = []
    for entry in folder.iterdir():
        found += _files(entry) if entry.is_dir() else [entry]
    return found
