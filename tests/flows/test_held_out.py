"""The test regions of a model are found again, or it is said what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from toy import Run, ToyDomain, texture

from flows.held_out import held_out
from sr_core.errors import BundleError, InputError
from sr_core.log import Silent
from sr_core.records import BundleRef
from sr_core.stages.ingest import ingest, load_manifest
from sr_core.workspace import Workspace

pytestmark = pytest.mark.usefixtures("toy_installed")


def test_the_workspace_knows_them(toy_run: Run, toy_package: BundleRef) -> None:
    found = held_out(toy_package.path, manifest=None, paths=(), workspace=toy_run.workspace.root, log=Silent())
    wanted = load_manifest(toy_run.manifest)
    assert found.manifest.split.test == wanted.split.test
    assert not found.manifest.split.train
    assert [s.sha256 for s in found.manifest.sources] == [s.sha256 for s in wanted.sources]
    assert found.domain.name == "toy"


def test_moved_images_are_found_by_their_content(toy_run: Run, toy_package: BundleRef, tmp_path: Path) -> None:
    moved = Path(shutil.copy(toy_run.folder / "scene.npy", tmp_path / "elsewhere.npy"))
    np.save(tmp_path / "other.npy", texture(80, 80, seed=9))
    found = held_out(toy_package.path, manifest=None, paths=(moved, tmp_path / "other.npy"), workspace=tmp_path / "none", log=Silent())
    assert [s.path for s in found.manifest.sources] == [moved]


def test_a_manifest_serves_a_bundle_that_was_never_evaluated(toy_run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no evaluation\.json.*--manifest"):
        held_out(toy_run.bundle.path, manifest=None, paths=(), workspace=toy_run.workspace.root, log=Silent())
    for place in (toy_run.manifest.path, toy_run.manifest.path / "manifest.json"):
        found = held_out(toy_run.bundle.path, manifest=place, paths=(), workspace=tmp_path, log=Silent())
        assert found.manifest.split.test == load_manifest(toy_run.manifest).split.test


def test_images_that_nobody_knows_are_asked_for(toy_package: BundleRef, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"0 of the 1 images.*as arguments after the model"):
        held_out(toy_package.path, manifest=None, paths=(), workspace=tmp_path, log=Silent())


def test_a_changed_image_is_not_taken_for_the_old_one(toy_package: BundleRef, tmp_path: Path) -> None:
    np.save(tmp_path / "scene.npy", texture(220, 260, seed=1))
    with pytest.raises(InputError, match="0 of the 1 images"):
        held_out(toy_package.path, manifest=None, paths=(tmp_path / "scene.npy",), workspace=tmp_path, log=Silent())
    with pytest.raises(InputError, match="Give the test images' present place"):
        held_out(toy_package.path, manifest=None, paths=(tmp_path / "gone.npy",), workspace=tmp_path, log=Silent())


def test_the_manifest_of_another_scale_is_refused(toy_run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", texture(420, 480))
    domain = ToyDomain()
    other = ingest(
        domain, [tmp_path / "large.npy"], recipe=domain.recipe().with_overrides({"scale": 3}),
        workspace=Workspace(tmp_path / "w"), log=Silent(),
    )  # fmt: skip
    with pytest.raises(InputError, match="a manifest of toy x3; expected one of toy x2"):
        held_out(toy_run.bundle.path, manifest=other.path, paths=(), workspace=tmp_path, log=Silent())
    with pytest.raises(InputError, match="no manifest at"):
        held_out(toy_run.bundle.path, manifest=tmp_path, paths=(), workspace=tmp_path, log=Silent())


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no file bundle\.json"):
        held_out(tmp_path, manifest=None, paths=(), workspace=tmp_path, log=Silent())
