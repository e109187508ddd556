"""Two verifiers that share no code, one set of vectors: each gives the expected verdict on every vector."""

import base64
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from amparo.kernel.errors import AmparoError
from amparo.ledger import checkpoint
from amparo.ledger.ledger import Ledger
from amparo.vault.disk import Disk

VECTORS = sorted((Path(__file__).parent / "vectors" / "ledger").glob("*.json"))
SCRIPT = Path(__file__).parent.parent / "verifier" / "amparo_verify.py"


def load(path: Path) -> dict[str, Any]:
    vector: dict[str, Any] = json.loads(path.read_text())
    vector["files"] = {name: base64.b64decode(data) for name, data in vector["files"].items()}
    return vector


def test_there_are_vectors_for_every_named_verdict() -> None:
    """The set covers each verdict that docs/format.md names."""
    names = {load(path)["expect"] for path in VECTORS}
    assert names >= {
        "ok", "NotCanonical", "BadSignature", "ForeignEntry", "ForeignDevice", "UnknownDevice", "EntriesMissing", "Reordered",
        "Replayed", "Forked", "ChainBroken", "RolledBack", "Diverged", "LogDamaged", "BodyMissing", "BodyAltered",
    }  # fmt: skip


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_amparo_judges_the_vector(path: Path, tmp_path: Path) -> None:
    """Our own verification names what the vector says is wrong."""
    vector = load(path)
    for name, data in vector["files"].items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    seen = checkpoint.parse(vector["checkpoint"]) if vector["checkpoint"] else None

    def run() -> str:
        try:
            ledger = Ledger(tmp_path, bytes.fromhex(vector["workspace"]), Disk())
            ledger.verify(now=vector["now"], checkpoint=seen)
            list(ledger.check_bodies({}))
        except AmparoError as error:
            return type(error).__name__
        return "ok"

    assert run() == vector["expect"]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_stand_alone_verifier_judges_the_vector(path: Path) -> None:
    """The stranger's verifier, written from the format document, says the same."""
    if not SCRIPT.exists():
        pytest.skip("the stand-alone verifier lies in the source tree only")
    spec = importlib.util.spec_from_file_location("amparo_verify", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vector = load(path)
    try:
        module.verify(bytes.fromhex(vector["workspace"]), vector["files"], vector["checkpoint"])
    except module.Wrong as wrong:
        assert wrong.name == vector["expect"]
    else:
        assert vector["expect"] == "ok"
