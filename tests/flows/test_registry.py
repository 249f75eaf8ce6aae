from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.registry import Registry, Version
from sr_core.errors import RegistryError

NAME = "sr-test"


def bundle(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "bundle.json").write_text(json.dumps({"text": text}))
    (folder / "weights.safetensors").write_bytes(text.encode())
    return folder


class Making:
    """Registers made-up versions."""

    def __init__(self, registry: Registry, run_id: str, folder: Path) -> None:
        self.registry, self.run_id, self.folder = registry, run_id, folder

    def __call__(self, text: str, gate: str = "passed", then: str = "none", why: tuple[str, ...] = ()) -> Version:
        path = self.folder / "bundles" / text
        tags = {"bundle": f"hash-{text}", "weights": f"w-{text}", "gate": gate, "champion_then": then, "gate_reasons": json.dumps(why)}
        return self.registry.register(NAME, path if path.exists() else bundle(path, text), tags, self.run_id, None)


@pytest.fixture
def make(registry: Registry, run_id: str, tmp_path: Path) -> Making:
    return Making(registry, run_id, tmp_path)


def test_a_registered_version_is_a_challenger_with_its_tags_and_files(make: Making, registry: Registry, tmp_path: Path) -> None:
    version = make("a")
    assert (version.name, version.number, version.aliases) == (NAME, 1, ("challenger",))
    assert version.tags["bundle"] == "hash-a"
    folder = registry.folder(version, tmp_path / "copies")
    assert (folder / "weights.safetensors").read_bytes() == b"a"


def test_registering_the_same_bundle_again_gives_the_same_version(make: Making, registry: Registry) -> None:
    first = make("a")
    assert make("a").number == first.number
    assert make("b").number == 2
    assert [v.number for v in registry.versions(NAME)] == [2, 1]


def test_promotion_moves_champion_and_keeps_previous(make: Making, registry: Registry) -> None:
    one = registry.promote(make("a"))
    assert one.aliases == ("champion",)
    two = registry.promote(make("b", then="1"))
    assert two.aliases == ("champion",)
    assert registry.find(NAME, "previous").number == 1
    again = registry.promote(two)  # a run that was killed after promoting does it again
    assert again.number == 2
    assert registry.find(NAME, "previous").number == 1


def test_champion_moves_only_through_the_gate(make: Making, registry: Registry) -> None:
    refused = make("a", gate="refused", why=("too few groups: 1 test place, 2 needed",))
    with pytest.raises(RegistryError, match="too few groups"):
        registry.promote(refused, by="Dr. Example")
    waiting = make("b", gate="waits for approval")
    with pytest.raises(RegistryError, match="--approved-by"):
        registry.promote(waiting)
    assert registry.look(NAME, "champion") is None
    promoted = registry.promote(waiting, by="Dr. Example")
    assert promoted.tags["approved_by"] == "Dr. Example"


def test_a_version_judged_beside_an_older_champion_is_not_promoted(make: Making, registry: Registry) -> None:
    one, late = make("a"), make("c", then="none")
    registry.promote(one)
    with pytest.raises(RegistryError, match="judged beside champion none, and the champion is now 1"):
        registry.promote(late)


def test_rollback_puts_previous_back_and_marks_what_was_rolled_back(make: Making, registry: Registry) -> None:
    registry.promote(make("a"))
    two = registry.promote(make("b", then="1"))
    back = registry.rollback(NAME)
    assert (back.number, registry.find(NAME, "previous").number) == (1, 2)
    marked = registry.rolled_back(NAME, "w-b")
    assert marked is not None and marked.number == 2
    with pytest.raises(RegistryError, match="was rolled back"):
        registry.promote(registry.find(NAME, two.number))
    forth = registry.rollback(NAME)  # a person may change their mind
    assert forth.number == 2
    assert registry.rolled_back(NAME, "w-b") is None


def test_rollback_without_a_previous_champion_is_refused(make: Making, registry: Registry) -> None:
    registry.promote(make("a"))
    with pytest.raises(RegistryError, match="no previous champion"):
        registry.rollback(NAME)


def test_finding_says_what_there_is(make: Making, registry: Registry) -> None:
    with pytest.raises(RegistryError, match="none yet"):
        registry.find("sr-nothing", "champion")
    make("a")
    with pytest.raises(RegistryError, match=r"sr-test version 1 \(challenger\)"):
        registry.find(NAME, "champion")
    with pytest.raises(RegistryError, match="sr-test"):
        registry.find(NAME, 7)
    assert registry.names() == (NAME,)


def test_lost_files_are_said_in_words(make: Making, registry: Registry, tmp_path: Path) -> None:
    version = make("a")
    (registry.folder(version, tmp_path) / "bundle.json").unlink()
    with pytest.raises(RegistryError, match="files are not at"):
        registry.folder(version, tmp_path)


def test_the_stored_model_is_text_and_bundle_only(make: Making, registry: Registry, tmp_path: Path) -> None:
    stored = registry.folder(make("a"), tmp_path).parent.parent
    names = {p.name for p in stored.rglob("*") if p.is_file()}
    assert "model.py" in names
    assert not [n for n in names if n.endswith((".pkl", ".pickle", ".pt", ".pth"))]
    assert not (stored / "code").exists()


def test_versions_are_found_by_their_weights(make: Making, registry: Registry) -> None:
    make("a")
    make("b")
    assert [v.number for v in registry.holding("w-b")] == [2]
    assert [v.number for v in registry.holding("w-")] == [2, 1]
    assert registry.holding("w-c") == ()
