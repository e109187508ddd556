"""Collections of other projects, run where they are at hand: tests/vectors/README.md says what AMPARO_CORPORA names."""

import os
from pathlib import Path

import pytest

CORPORA = os.environ.get("AMPARO_CORPORA", "")


def corpus(name: str) -> Path:
    """A collection's folder, or the test is skipped and says why."""
    if not CORPORA:
        pytest.skip("AMPARO_CORPORA is not set; tests/vectors/README.md says what it names")
    folder = Path(CORPORA) / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not in {CORPORA}")
    return folder
