"""A bundle as an ONNX file: what it says of itself, that it was checked, and that nothing half-made is left."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import Run

from sr_core.bundle import Bundle
from sr_core.errors import BundleError, InputError, OutputError
from sr_core.stages import export
from sr_core.stages.export import export_onnx
from sr_core.workspace import folder_sha256

onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")


def test_a_trained_bundle_gives_the_same_elsewhere(run: Run, tmp_path: Path) -> None:
    from sr_core.inference import Predictor

    made = export_onnx(run.calibrated.path, tmp_path / "new" / "model.onnx")
    assert made.outputs == ("mean", "spread")
    assert made.difference is not None and 0 < made.difference <= 1e-5
    assert "1e-05 allowed" in made.says()
    y = np.load(run.folder / "scene.npy")[:, 40:71, 60:113].astype(np.float32) * np.float32(0.001)
    mean, spread = onnxruntime.InferenceSession(str(made.path)).run(None, {"lr": y[None]})
    reference = Predictor(Bundle.load(run.bundle.path), "float32").predict(y)
    assert reference.spread is not None
    span = np.ptp(reference.mean)
    assert np.abs(mean[0] - reference.mean).max() <= 1e-5 * span
    assert np.abs(spread[0] - reference.spread).max() <= 1e-5 * span


def test_the_file_says_what_it_is_and_what_it_lacks(run: Run, tmp_path: Path) -> None:
    export_onnx(run.calibrated.path, tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    card = Bundle.load(run.calibrated.path).card
    says = {entry.key: entry.value for entry in model.metadata_props}
    assert says["bundle"] == folder_sha256(run.calibrated.path) == run.calibrated.hash
    assert says["weights"] == run.bundle.weights
    assert (says["scale"], says["family"], says["unit"]) == ("2", "edsr", "reflectance")
    assert json.loads(says["operator"]) == json.loads(card.operator)
    assert json.loads(says["bands"]) == ["B0", "B1"]
    assert says["band_wise"].startswith("yes")
    assert "does not project" in says["claim"] and "no interval" in says["claim"]
    assert says["claim"] in model.doc_string
    assert (model.ir_version, [(o.domain, o.version) for o in model.opset_import]) == (8, [("", 17)])
    assert model.producer_name == "sr-trust"


def test_the_same_bundle_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    first, second = (export_onnx(run.bundle.path, tmp_path / f"{name}.onnx").path for name in "ab")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("name", "words"), [("model.pt", r"a file name that ends in \.onnx"), ("model", r"ends in \.onnx"), ("folder.onnx", "a folder")]
)
def test_a_wrong_target_is_refused_before_anything_is_read(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(OutputError, match=words):
        export_onnx(tmp_path / "no bundle", tmp_path / name)


def test_an_existing_file_is_kept_unless_asked(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    target.write_bytes(b"mine")
    with pytest.raises(OutputError, match="--overwrite"):
        export_onnx(run.bundle.path, target)
    assert target.read_bytes() == b"mine"
    export_onnx(run.bundle.path, target, overwrite=True)
    assert onnx.load(target).graph.output[0].name == "mean"


def test_no_bundle_no_file(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no folder"):
        export_onnx(tmp_path / "none", tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_graph_that_computes_something_else_is_not_handed_out(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: sub-pixels in the other order of ONNX, which is valid and has the right shapes."""
    from sr_core.networks import onnx_graph

    def shuffle(self: Any, x: str, zoom: int) -> str:
        return str(self.node("DepthToSpace", x, blocksize=zoom, mode="DCR"))

    monkeypatch.setattr(onnx_graph._Writer, "shuffle", shuffle)
    with pytest.raises(OutputError, match=r"away from PyTorch's; expected at most 1e-05\. Nothing was written"):
        export_onnx(_loud(run, tmp_path / "bundle"), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def _loud(run: Run, folder: Path) -> Path:
    """Copy the bundle with larger weights at the end: six steps of training leave its residual near 0."""
    import torch

    from sr_core.bundle import Curve

    bundle = Bundle.load(run.bundle.path)
    assert bundle.net.tail is not None
    with torch.no_grad():
        for parameter in bundle.net.tail.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5)))
    return Bundle.save(folder, bundle.card, bundle.net, Curve()).folder


def test_an_interrupted_write_leaves_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        export_onnx(run.bundle.path, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def _without(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None if name == package else found(name))


def test_without_onnx_it_says_what_to_install(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _without("onnx", monkeypatch)
    with pytest.raises(InputError, match=r"onnx is not installed.*-e '\.\[onnx\]'"):
        export_onnx(run.bundle.path, tmp_path / "model.onnx")


def test_without_the_runtime_it_says_that_nothing_was_checked(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _without("onnxruntime", monkeypatch)
    made = export_onnx(run.bundle.path, tmp_path / "model.onnx")
    assert made.difference is None
    assert made.says() == "not checked: the package onnxruntime is not installed"
    assert made.path.is_file()
