"""`sr models export` and `sr models gate-precision`: words, files, exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from toy import Run, cancelling
from typer.testing import CliRunner

from flows.cli.main import app
from flows.registry import Registry
from sr_core.records import BundleRef
from sr_core.stages.restore import Restorer
from sr_core.trust.precision import load_gate


@pytest.fixture
def sr(monkeypatch: pytest.MonkeyPatch, toy_run: Run) -> CliRunner:
    monkeypatch.setenv("SR_WORKSPACE", str(toy_run.workspace.root))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return CliRunner()


@pytest.fixture
def own(toy_package: BundleRef, tmp_path: Path) -> Path:
    """A bundle that somebody copied for themselves."""
    return Path(shutil.copytree(toy_package.path, tmp_path / "my model"))


def test_it_teaches(sr: CliRunner) -> None:
    for command in ("export", "gate-precision"):
        result = sr.invoke(app, ["models", command, "--help"])
        assert result.exit_code == 0 and "Example: sr models" in result.output


def test_shipped_models_are_listed_with_their_credits(sr: CliRunner, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from domains.face.domain import FaceDomain
    from domains.satellite.domain import Satellite

    card = json.loads((own / "bundle.json").read_text())
    (own / "bundle.json").write_text(json.dumps(card | {"licence": "CC0", "credits": ["Data of A", "Data of B"]}))
    monkeypatch.setattr(Satellite, "shipped", lambda self: {2: own, 4: own})
    monkeypatch.setattr(FaceDomain, "shipped", lambda self: {})
    result = sr.invoke(app, ["models", "shipped"])
    assert result.exit_code == 0, result.output
    assert result.stdout.count("satellite") == 2 and "x4" in result.stdout
    assert result.stdout.count("Licence: CC0") == 1 and result.stdout.count("- Data of B") == 1
    body = json.loads(sr.invoke(app, ["models", "shipped", "--json"]).stdout)
    assert [(entry["domain"], entry["scale"], entry["card"]["credits"]) for entry in body] == [
        ("satellite", scale, ["Data of A", "Data of B"]) for scale in (2, 4)
    ]
    (own / "bundle.json").write_text("{")
    damaged = sr.invoke(app, ["models", "shipped"])
    assert damaged.exit_code == 2 and damaged.stderr.startswith("sr: ")


def test_export_writes_a_checked_file(sr: CliRunner, own: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    target = tmp_path / "toy.onnx"
    result = sr.invoke(app, ["models", "export", str(own), "--onnx", str(target)])
    assert result.exit_code == 0, result.output
    assert "toy.onnx: lr -> mean, spread" in result.stdout
    assert "ONNX Runtime gives what PyTorch gives" in result.stdout
    assert "does not project" in result.stdout
    assert [value.name for value in onnx.load(target).graph.output] == ["mean", "spread"]
    again = sr.invoke(app, ["models", "export", str(own), "--onnx", str(target)])
    assert (again.exit_code, again.stdout) == (2, "")
    assert "--overwrite" in again.stderr
    body = json.loads(sr.invoke(app, ["models", "export", str(own), "--onnx", str(target), "--overwrite", "--json"]).stdout)
    assert body["outputs"] == ["mean", "spread"] and 0 < body["difference"] <= 1e-5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "nowhere", "--onnx", "x.onnx"], "a bundle folder, or a registered name"),
        (["export", "sr-toy", "--onnx", "x.onnx"], "no registry in"),
        (["gate-precision", "nowhere"], "a bundle folder, or a registered name"),
        (["gate-precision", "."], "no file bundle.json"),
    ],
)
def test_a_fault_of_the_user_is_one_sentence(
    arguments: list[str], words: str, sr: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = sr.invoke(app, ["models", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr and len(result.stderr.strip().splitlines()) == 1


@pytest.mark.usefixtures("toy_installed")
def test_the_gate_prints_and_records(sr: CliRunner, own: Path) -> None:
    (own / "precision.json").unlink(missing_ok=True)
    result = sr.invoke(app, ["models", "gate-precision", str(own)])
    assert result.exit_code == 0, result.output
    assert all(word in result.stdout for word in ("bfloat16", "lost, dB", "in steps", "2 px border", "allowed", "Recorded in"))
    made = load_gate(own)
    assert made is not None and made.split == "test" and made.costs[0].allowed
    assert all(group.group in result.stdout for group in made.costs[0].groups)


@pytest.mark.usefixtures("toy_installed")
def test_a_result_of_a_run_is_measured_and_left_alone(sr: CliRunner, toy_package: BundleRef) -> None:
    before = {path.name: path.read_bytes() for path in toy_package.path.iterdir() if path.is_file()}
    body = json.loads(sr.invoke(app, ["models", "gate-precision", str(toy_package.path), "--json"]).stdout)
    assert body["allowed"] == {"bfloat16": True} and body["recorded"] is None
    assert body["gate"]["weights"] == toy_package.weights
    assert {path.name: path.read_bytes() for path in toy_package.path.iterdir() if path.is_file()} == before


@pytest.mark.usefixtures("toy_installed")
def test_a_refusal_reaches_auto(sr: CliRunner, toy_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_core.networks.precision.bfloat16_gains", lambda device: True)
    folder = cancelling(toy_run.bundle, tmp_path / "planted").path
    assert Restorer(folder).precision == "bfloat16"
    result = sr.invoke(app, ["models", "gate-precision", str(folder), "--manifest", str(toy_run.manifest.path)])
    assert result.exit_code == 0, result.output
    assert "bfloat16 beside float32: refused, because it costs" in result.stdout
    assert Restorer(folder).precision == "float32"


@pytest.mark.usefixtures("toy_installed")
def test_registered_names_are_found(
    sr: CliRunner, toy_package: BundleRef, registry: Registry, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = {"bundle": toy_package.hash, "weights": toy_package.weights, "gate": "passed"}
    registry.register("sr-toy", toy_package.path, tags, run_id, None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    body = json.loads(sr.invoke(app, ["models", "gate-precision", "sr-toy@challenger", "--json"]).stdout)
    assert body["gate"]["weights"] == toy_package.weights and body["recorded"] is None
    pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    exported = sr.invoke(app, ["models", "export", "sr-toy/1", "--onnx", str(tmp_path / "registered.onnx")])
    assert exported.exit_code == 0, exported.output
