"""What a model and its parents have learned from is on record, and neither calibrates nor tests it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from toy import Run, ToyDomain

from sr_core.ancestry import TrainedOn, check_apart, group_hash, groups_in, of_store, together
from sr_core.bundle import CARD, read_card
from sr_core.errors import StoreError, TrustError
from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.records import BundleRef, CalibrationRef, Group, ManifestRef, Region, SplitName
from sr_core.stages.calibrate import calibrate
from sr_core.stages.evaluate import evaluate
from sr_core.stages.ingest import MANIFEST, load_manifest
from sr_core.stages.train import train
from sr_core.workspace import Workspace

ELSEWHERE = Group(kind="place", id="elsewhere")


def copied(folder: Path, target: Path, trained_on: TrainedOn | None) -> Path:
    """A bundle whose card says this of its groups."""
    shutil.copytree(folder, target)
    card = read_card(folder).model_copy(update={"trained_on": trained_on})
    (target / CARD).write_text(card.to_json())
    return target


def manifest_with(run: Run, folder: Path, part: SplitName, *, one_group: bool) -> ManifestRef:
    """The run's manifest, the regions of one part from another place."""
    manifest = load_manifest(run.manifest)
    moved = [r.model_copy(update={"group": ELSEWHERE, "one_group": one_group}) for r in manifest.split.part(part)]
    changed = manifest.model_copy(update={"split": manifest.split.model_copy(update={part: tuple(moved)})})
    folder.mkdir()
    (folder / MANIFEST).write_text(changed.to_json())
    return ManifestRef(path=folder, hash=changed.content_hash())


def test_a_bundle_names_the_groups_it_has_learned_from_by_their_hashes(run: Run) -> None:
    split = load_manifest(run.manifest).split
    found = read_card(run.bundle.path).trained_on
    assert found == TrainedOn(groups=groups_in((*split.train, *split.val))) and found.complete
    assert found.groups == (group_hash(split.train[0].group),) and len(found.groups[0]) == 16
    assert split.train[0].group.id not in (run.bundle.path / CARD).read_text()


def test_a_child_carries_over_what_its_parent_has_learned_from(run: Run, tmp_path: Path) -> None:
    own = read_card(run.bundle.path).trained_on
    assert own is not None
    for name, known in (("known", TrainedOn(groups=("a" * 16,))), ("unknown", None)):
        parent = copied(run.bundle.path, tmp_path / name, known)
        workspace = Workspace(tmp_path / f"{name}-workspace")
        child = train(run.store, recipe=ToyDomain().recipe(), workspace=workspace, log=Silent(), parent=parent)
        expected = TrainedOn(groups=tuple(sorted((*own.groups, *(known.groups if known else ())))), complete=known is not None)
        assert read_card(child.path).trained_on == expected


def test_general_pictures_count_where_they_are_mixed_in(run: Run, tmp_path: Path) -> None:
    general = tmp_path / "general"
    shutil.copytree(run.store.path, general)
    record = json.loads((general / "store.json").read_text())
    (general / "store.json").write_text(json.dumps({**record, "groups": ["b" * 16]}))
    ref = run.store.model_copy(update={"path": general, "hash": "c" * 64})
    for share, there in ((0.5, True), (0.0, False)):
        recipe = ToyDomain().recipe().with_overrides({"adaptation.general_share": share, "training.steps": 2})
        workspace = Workspace(tmp_path / f"workspace{there}")
        child = train(run.store, recipe=recipe, workspace=workspace, log=Silent(), parent=run.bundle.path, general=ref)
        found = read_card(child.path).trained_on
        assert found is not None and found.complete and ("b" * 16 in found.groups) == there


def test_a_group_that_trained_a_parent_does_not_calibrate(run: Run, tmp_path: Path) -> None:
    learned = TrainedOn(groups=(group_hash(ELSEWHERE),))
    manifest = manifest_with(run, tmp_path / "manifest", "calibration", one_group=False)
    for name, known in (("child", learned), ("shipped", None)):
        path = copied(run.bundle.path, tmp_path / name, known)
        bundle: BundleRef = run.bundle.model_copy(update={"path": path, "hash": name[0] * 64})
        with_ = {"recipe": ToyDomain().recipe(), "workspace": Workspace(tmp_path / f"workspace-{name}"), "log": Silent()}
        if known is None:
            assert calibrate(ToyDomain(), manifest, bundle, **with_).level  # type: ignore[arg-type]
            continue
        with pytest.raises(TrustError, match=r"calibration region .* of place elsewhere, from which the model or a parent") as caught:
            calibrate(ToyDomain(), manifest, bundle, **with_)  # type: ignore[arg-type]
        assert caught.value.exit_code == 2 and "\n" not in str(caught.value)


def test_a_group_that_trained_a_parent_does_not_test(run: Run, tmp_path: Path) -> None:
    path = copied(run.calibrated.path, tmp_path / "child", TrainedOn(groups=(group_hash(ELSEWHERE),)))
    calibrated: CalibrationRef = run.calibrated.model_copy(update={"path": path, "hash": "d" * 64})
    manifest = manifest_with(run, tmp_path / "manifest", "test", one_group=False)
    with pytest.raises(TrustError, match=r"test region .* of place elsewhere"):
        evaluate(
            ToyDomain(), manifest, calibrated, champion=None, recipe=ToyDomain().recipe(), workspace=Workspace(tmp_path / "w"), log=Silent()
        )  # fmt: skip


def region(one_group: bool) -> Region:
    return Region(source="a" * 64, window=Window(0, 0, 9, 9), group=ELSEWHERE, one_group=one_group)


def test_blocks_of_one_scene_and_what_is_not_known_are_not_refused() -> None:
    learned = TrainedOn(groups=(group_hash(ELSEWHERE),))
    check_apart(learned, [region(one_group=True)], "test")
    check_apart(None, [region(one_group=False)], "test")
    check_apart(TrainedOn(groups=("0" * 16,)), [region(one_group=False)], "test")
    with pytest.raises(TrustError):
        check_apart(learned, [region(one_group=True), region(one_group=False)], "test")


def test_parts_are_put_together_and_gaps_are_remembered() -> None:
    one, two = TrainedOn(groups=("b", "c")), TrainedOn(groups=("a", "b"), complete=False)
    assert together([one, TrainedOn(groups=("d",))]) == TrainedOn(groups=("b", "c", "d"))
    assert together([one, two]) == TrainedOn(groups=("a", "b", "c"), complete=False)
    assert together([one, None]) == TrainedOn(groups=("b", "c"), complete=False)
    assert together([None, None]) is None


def test_stores_from_before_say_nothing_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    assert of_store(tmp_path) is None
    (tmp_path / "store.json").write_text('{"train_pairs": 3, "val_pairs": 1}')
    assert of_store(tmp_path) is None
    (tmp_path / "store.json").write_text('{"groups": ["a"]}')
    assert of_store(tmp_path) == TrainedOn(groups=("a",))
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(StoreError, match="is damaged"):
        of_store(tmp_path)
