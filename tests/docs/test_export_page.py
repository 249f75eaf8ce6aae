"""The program in the page about ONNX runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sr_core.bundle import Bundle, BundleCard, Curve, software
from sr_core.networks import Descriptor, build
from sr_core.operators import make_operator
from sr_core.recipe import Recipe
from sr_core.stages.export import CLAIM, export_onnx

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "export-onnx.md"
PROGRAM = re.compile(r"<!-- runs -->\n```python\n(.*?)```", re.DOTALL)

pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")


def test_the_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    net = build(Descriptor(family="edsr", scale=2, width=4, blocks=1, operator=make_operator("bicubic", 2).to_json(), spread=True))
    card = BundleCard(
        descriptor=net.descriptor, operator=net.descriptor.operator, mean=0.1, std=0.05, bands=("B02", "B03", "B04", "B08"),
        unit="reflectance", valid_range=(0.0, 1.0), step=1e-4, data_range=0.4, recipe=Recipe(domain="satellite"), data="d" * 64,
        data_summary="none", parents=(), software=software(), licence="", credits=(), notes=(),
    )  # fmt: skip
    export_onnx(Bundle.save(tmp_path / "bundle", card, net, Curve()).folder, tmp_path / "satellite_x2.onnx")
    monkeypatch.chdir(tmp_path)
    found = PROGRAM.search(PAGE.read_text())
    assert found is not None
    exec(compile(found[1], str(PAGE), "exec"), {})
    assert capsys.readouterr().out.startswith(f"{CLAIM} bicubic ")
