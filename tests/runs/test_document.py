"""JSON documents that say what they are: each kind reads its own, and tells damage from another version."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e2c_control.data.card import CARD
from e2c_control.errors import InputError
from e2c_control.runs.checkpoint import CHECKPOINT
from e2c_control.runs.config import CONFIG
from e2c_control.runs.document import Kind

KINDS = {"card": CARD, "config": CONFIG, "checkpoint": CHECKPOINT}
FIELDS: dict[str, Any] = {"config": 3, "files": {"model.safetensors": 7}, "meta": {"step": 1}, "other": [1]}

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "document.json"


@every_kind
def test_round_trip(kind: Kind, path: Path) -> None:
    path.write_text(kind.text(FIELDS))
    assert kind.read(path) == FIELDS


def changed(**changes: object) -> Callable[[str], str]:
    return lambda text: json.dumps({**json.loads(text), **changes})


@every_kind
@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:30],
        lambda text: "",
        lambda text: "[1]",
        lambda text: "null",
        lambda text: "[" * 100_000,
        lambda text: text.replace('"format"', '"form"'),
        lambda text: text.replace('"version"', '"edition"'),
        lambda text: text.replace('"version":', '"version": 1, "version":'),
        lambda text: text.replace('"step": 1', '"step": 1, "step": 2'),
    ],
)
def test_damage(kind: Kind, path: Path, damage: Callable[[str], str]) -> None:
    path.write_text(damage(kind.text(FIELDS)), encoding="utf-8", errors="surrogatepass")
    with pytest.raises(InputError) as caught:
        kind.read(path)
    assert str(caught.value).startswith(f"{path} is {kind.damaged}: ")


@every_kind
@pytest.mark.parametrize(
    ("field", "value"), [("version", 3), ("version", "1"), ("version", True), ("format", "e2c-control poem")]
)
def test_another_version_or_format(kind: Kind, path: Path, field: str, value: object) -> None:
    path.write_text(changed(**{field: value})(kind.text(FIELDS)))
    with pytest.raises(InputError, match=r"this version of e2c-control reads .*install the version that wrote it\."):
        kind.read(path)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [(CHECKPOINT, "files", {"a": "b"}), (CHECKPOINT, "files", [1]), (CHECKPOINT, "meta", 3), (CONFIG, "config", None)],
)
def test_fields_that_a_kind_must_have(kind: Kind, path: Path, field: str, value: object) -> None:
    fields = {name: content for name, content in FIELDS.items() if name != field}
    path.write_text(kind.text(fields if value is None else {**fields, field: value}))
    with pytest.raises(InputError, match="damaged: "):
        kind.read(path)


def test_a_remedy_may_name_the_folder(path: Path) -> None:
    assert str(CHECKPOINT.damage(path)).endswith(f": remove {path.parent} to go on from the checkpoint before it.")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=60))
def test_no_bytes_at_all_are_a_bug(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for kind in KINDS.values():
        with pytest.raises(InputError):
            kind.read(path)
