"""`sr explain`: the whole chain behind a file, and no word more than file, verdict and bundle say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from click.testing import Result
from made_bundle import make_bundle
from made_scenes import write_tiff
from PIL import Image
from typer.testing import CliRunner

from domains.satellite.domain import Satellite
from flows.cli.main import app
from flows.registry import Registry
from sr_core.evaluation import Evaluation
from sr_core.records import BundleRef
from sr_core.trust.beside import read_verdict
from sr_core.trust.claim import withdraw
from sr_core.trust.limits import fit_limits
from sr_core.trust.reference import LearnedLimits, Reference
from sr_core.trust.verdict import CheckResult, judge

UNITS = {"satellite": "reflectance", "medical": "HU", "face": "grey level", "photo": "grey level"}
CREDIT = "Data of a credited place"
SLICE = Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm"
Sr = Callable[..., Result]


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    made = {}
    for number, unit in enumerate(sorted(set(UNITS.values()))):
        made[unit] = make_bundle(folder / unit.replace(" ", "-"), unit, seed=number)
        edit(made[unit] / "bundle.json", credits=[CREDIT], data_summary="7 pairs of 3 places", parents=["ab" * 32])
    return {domain: made[unit] for domain, unit in UNITS.items()}


@pytest.fixture
def sr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sr:
    monkeypatch.setenv("SR_WORKSPACE", str(tmp_path / "var"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, list(map(str, words)))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def picture(path: Path) -> Path:
    rows, cols = np.mgrid[:80, :80]
    Image.fromarray((120 + 60 * np.sin(rows / 5) * np.cos(cols / 6)).astype(np.uint8)).save(path)
    return path


def scene(path: Path, **profile: Any) -> Path:
    def declare(dataset: Any) -> None:
        dataset.scales = (1e-4,) * 2

    values = np.random.default_rng(0).integers(1000, 3000, (2, 70, 80), dtype=np.uint16)
    return write_tiff(path, values, nodata=0, **{"edit": declare, **profile})


def image_of(domain: str, folder: Path) -> Path:
    if domain == "medical":
        return Path(shutil.copy(SLICE, folder / "slice.dcm"))
    return scene(folder / "scene.tif") if domain == "satellite" else picture(folder / "p.png")


@pytest.fixture
def made(sr: Sr, bundles: dict[str, Path], tmp_path: Path) -> Callable[..., Path]:
    """Upscale an image of a domain with its bundle, which is in the workspace only where asked for."""

    def make(domain: str, known: bool = False, suffix: str = "{suffix}") -> Path:
        bundle = bundles[domain]
        if known:
            bundle = Path(shutil.copytree(bundle, tmp_path / "var" / "calibrate" / "key"))
        given = image_of(domain, tmp_path)
        result = sr("upscale", domain, given, "--out", f"out/{{stem}}_x2{suffix}", "--bundle", bundle)
        assert result.exit_code == 0, result.output
        return Path("out") / f"{given.stem}_x2{given.suffix if suffix == '{suffix}' else suffix}"

    return make


def beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.verdict.json")


def weights_of(bundle: Path) -> str:
    return str(json.loads((bundle / "bundle.json").read_text())["weights"])


@pytest.mark.parametrize("domain", UNITS)
def test_the_chain_from_the_verdict_to_the_training_data(domain: str, sr: Sr, made: Callable[..., Path], bundles: dict[str, Path]) -> None:
    path = made(domain, known=True)
    verdict = read_verdict(beside(path))
    result = sr("explain", path)
    assert result.exit_code == 0, result.output
    text = result.stdout
    assert text.splitlines()[0] == verdict.sentence
    assert all(f"  - {reason}\n" in text for reason in verdict.reasons)
    judged = [check for check in verdict.checks if check.threshold is not None and check.value is not None]
    assert len(judged) >= 4
    for check in judged:
        (line,) = [
            line
            for line in text.splitlines()
            if " (from: " in line and line[len("  passed   ") :].startswith(f"{check.name} {check.value:.4g}")
        ]
        assert f"limit {check.direction} {check.threshold:.4g}" in line and f"(from: {check.threshold_source})" in line
        assert line.split()[0] == {"pass": "passed", "warn": "warned", "fail": "failed"}[check.outcome]
    for said in (
        "as its verdict states", verdict.claim.text, "3 x place (22 are needed", weights_of(bundles[domain]), "a bundle of the workspace",
        "7 pairs of 3 places", "abababababab, which was not found", CREDIT, "CC0", "Bicubic reduction", verdict.software,
    ):  # fmt: skip
        assert said in text, said
    document = json.loads(sr("explain", path, "--json").stdout)
    assert document["unchanged"] is True and document["path"] == str(path)
    assert document["verdict"]["status"] == verdict.status and len(document["verdict"]["checks"]) == len(verdict.checks)
    assert document["weights"] == document["model"]["card"]["weights"] == weights_of(bundles[domain])
    assert document["model"]["calibrated"]["calibration"] == verdict.calibration


@pytest.mark.parametrize("domain", UNITS)
def test_a_file_that_was_sent_without_its_verdict_says_what_it_carries(
    domain: str, sr: Sr, made: Callable[..., Path], bundles: dict[str, Path]
) -> None:
    path = made(domain)
    verdict = read_verdict(beside(path))
    beside(path).unlink()
    result = sr("explain", path, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    says = document["says"]
    assert document["verdict"] is None and document["unchanged"] is None and document["model"] is None
    assert says["SR_CLAIM"] == verdict.claim.text and says["SR_OPERATOR"].startswith("Bicubic reduction")
    assert says["SR_VERDICT"] == verdict.sentence
    assert len(document["weights"]) >= 12 and weights_of(bundles[domain]).startswith(document["weights"])
    assert "what it was trained on is not known here" in " ".join(document["notes"])
    assert f"no verdict beside it ({beside(path).name})" in " ".join(document["notes"])
    text = sr("explain", path).stdout
    assert text.startswith(verdict.sentence + "\n") and "Checks" not in text and "not compared with a verdict" in text


@pytest.mark.parametrize("domain", ["satellite", "medical", "photo"])
def test_a_changed_file_is_said_to_be_changed(domain: str, sr: Sr, made: Callable[..., Path]) -> None:
    path = made(domain)
    with path.open("ab") as file:
        file.write(b"\0\0")
    result = sr("explain", path)
    assert result.exit_code == 0 and "NOT what its verdict states" in result.stdout
    interval = path.with_name(f"{path.stem}.interval{'.png' if domain == 'photo' else path.suffix}")
    assert json.loads(sr("explain", interval, "--json").stdout)["unchanged"] is True  # that one was not


def test_a_bmp_stands_on_the_verdict_beside_it(sr: Sr, made: Callable[..., Path]) -> None:
    path = made("photo", known=True, suffix=".bmp")
    document = json.loads(sr("explain", path, "--json").stdout)
    assert document["says"] == {} and document["unchanged"] is True and document["model"]["card"]["data_summary"] == "7 pairs of 3 places"
    alone = json.loads(sr("explain", beside(path), "--json").stdout)
    assert alone["unchanged"] is None and alone["weights"] == document["weights"]
    beside(path).unlink()
    refused = sr("explain", path)
    assert refused.exit_code == 2 and "BMP pictures have no room for texts" in refused.stderr


def test_files_that_are_not_ours(sr: Sr, made: Callable[..., Path], tmp_path: Path) -> None:
    def mark(dataset: Any) -> None:
        dataset.update_tags(SR_BAND="surface reflectance")

    out = made("satellite")
    (tmp_path / "text.txt").write_text("no image")
    (tmp_path / "a.json").write_text('{"a": 1}')
    (tmp_path / "empty").mkdir()
    (tmp_path / "m.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    strangers = [
        tmp_path / "scene.tif", tmp_path / "text.txt", tmp_path / "a.json", tmp_path / "empty", tmp_path / "m.png",
        scene(tmp_path / "foreign.tif", edit=mark), picture(tmp_path / "p.png"), image_of("medical", tmp_path),
        picture(out.with_suffix(".png")),  # it has the verdict's name, but the verdict is the scene's
    ]  # fmt: skip
    for path in strangers:
        result = sr("explain", path)
        assert result.exit_code == 2 and result.stdout == "", path
        assert result.stderr.startswith(f"sr: no upscale of ours made {path}") and "Traceback" not in result.stderr
        assert "Delete" not in result.stderr
    os.mkfifo(tmp_path / "pipe.tif")
    assert "neither a file nor a folder" in sr("explain", "pipe.tif").stderr
    gone = sr("explain", "gone.tif")
    assert gone.exit_code == 2 and gone.stderr.startswith("sr: gone.tif does not exist; expected an upscaled file")


def test_an_abstention_and_a_failure_are_explained(sr: Sr, made: Callable[..., Path]) -> None:
    path = made("photo", known=True)
    own = read_verdict(beside(path))
    why = "the scene's noise is beyond what was calibrated"
    checks = (
        CheckResult(
            name="noise", value=9.0, unit="grey level", bicubic=None, threshold=4.0, fail_threshold=20.0, severity="warn", outcome="warn",
            threshold_source="30 validation groups, quantile 0.99", sentence="the image is noisier than the training images",
        ),
        CheckResult(
            name="faces", value=None, unit="", threshold=None, threshold_source="", severity="warn", outcome="skipped", sentence="none",
        ),
    )  # fmt: skip
    abstained = judge(withdraw(own.claim, why), checks, abstain=[why], outputs=own.outputs)
    beside(path).write_text(abstained.to_json())
    text = sr("explain", path).stdout
    assert text.startswith(f"Abstain: 0 of 1 checks passed. {why}\n")
    assert (
        "warned   noise 9 grey level, limit at most 4 grey level, fails beyond 20 grey level (from: 30 validation groups, quantile 0.99)"
        in text
    )
    assert "not run  faces: none" in text and "Do not use it as a bound" in text and "level of the claim: none" in text
    failed = judge(own.claim, [checks[0].model_copy(update={"outcome": "fail", "value": float("nan")})], outputs=own.outputs)
    beside(path).write_text(failed.to_json())
    result = sr("explain", path)
    assert result.exit_code == 0 and result.stdout.startswith("Fail: ") and "failed   noise nan" in result.stdout


def test_a_verdict_that_cannot_be_read_leaves_what_the_file_says(sr: Sr, made: Callable[..., Path]) -> None:
    path = made("photo")
    edit(beside(path), schema=99)
    document = json.loads(sr("explain", path, "--json").stdout)
    assert document["verdict"] is None and document["says"]["SR_CLAIM"]
    assert "has schema 99" in " ".join(document["notes"])


def test_another_calibration_is_not_taken_for_the_files(sr: Sr, made: Callable[..., Path], tmp_path: Path) -> None:
    path = made("photo", known=True)
    edit(tmp_path / "var" / "calibrate" / "key" / "calibration.json", floor=0.5)
    notes = json.loads(sr("explain", path, "--json").stdout)["notes"]
    assert any("not the calibration that the file names" in note for note in notes)


def test_a_derived_series_is_one_thing(sr: Sr, bundles: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    for number in range(2):
        dataset = pydicom.dcmread(SLICE)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number + 1}"
        dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], 5.0 * number]
        dataset.save_as(tmp_path / "ct" / f"{number}.dcm")
    result = sr("upscale", "medical", "ct", "--out", "ct_x2", "--bundle", bundles["medical"])
    assert result.exit_code == 0, result.output
    verdict = read_verdict(tmp_path / "ct_x2" / "verdict.json")
    for given in ("ct_x2", "ct_x2/0002.dcm", "ct_x2/interval.dcm"):
        result = sr("explain", given)
        assert result.exit_code == 0 and result.stdout.startswith(verdict.sentence) and "as its verdict states" in result.stdout, given
    with (tmp_path / "ct_x2" / "0001.dcm").open("ab") as file:
        file.write(b"\0\0")
    for given, unchanged in (("ct_x2", False), ("ct_x2/0001.dcm", False), ("ct_x2/0002.dcm", True)):
        assert json.loads(sr("explain", given, "--json").stdout)["unchanged"] is unchanged
    shutil.copy(SLICE, tmp_path / "ct_x2" / "stranger.dcm")
    assert sr("explain", "ct_x2/stranger.dcm").exit_code == 2


def test_a_bundle_folder_and_the_shipped_one(sr: Sr, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = bundles["satellite"]
    monkeypatch.setattr(Satellite, "shipped", lambda self: {2: bundle})
    result = sr("explain", bundle)
    assert result.exit_code == 0, result.output
    assert "no decision of a gate" in result.stdout.splitlines()[0] and "Checks" not in result.stdout and "File" not in result.stdout
    for said in ("sr-satellite x2 that comes with the package", "7 pairs of 3 places", "3 x place", "90% of the pixels", CREDIT):
        assert said in result.stdout, said
    child = Path(shutil.copytree(bundle, "child"))
    edit(child / "bundle.json", parents=[weights_of(bundle)])
    assert "goes on from  sr-satellite x2 that comes with the package (" in sr("explain", child).stdout
    (child / "broken").mkdir()
    (child / "broken" / "bundle.json").write_text("{")
    damaged = sr("explain", child / "broken")
    assert damaged.exit_code == 2 and damaged.stderr.startswith("sr: ") and "does not read" in damaged.stderr


def test_the_registered_version_is_named(
    sr: Sr,
    made: Callable[..., Path],
    bundles: dict[str, Path],
    registry: Registry,
    run_id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, bundle = made("photo"), bundles["photo"]
    tags = {"bundle": "b", "weights": weights_of(bundle), "gate": "passed", "champion_then": "none"}
    registry.promote(registry.register("sr-photo", bundle, tags, run_id, None))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    standing = "sr-photo version 1 (champion) in the registry, gate: passed"
    for given in (path, "sr-photo@champion"):
        result = sr("explain", given)
        assert result.exit_code == 0 and standing in result.stdout and "Not known" not in result.stdout, result.output
    other = sr("explain", bundles["satellite"])
    assert "No version in the registry has these weights." in other.stdout
    assert sr("explain", "sr-photo/7").exit_code == 2


def test_it_teaches(sr: Sr) -> None:
    text = sr("explain", "--help").stdout
    assert "sr explain scene_x2.tif" in text and "sr explain sr-satellite@champion" in text and "Exit codes" in text
    assert "explain" in sr("--help").stdout


def test_it_starts_without_pytorch(sr: Sr, bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    program = (
        "import sys\nfrom flows.cli.main import app\n"
        f"app(['explain', {str(bundles['photo'])!r}, '-w', {str(tmp_path)!r}], standalone_mode=False)\n"
        "print(sorted({'torch', 'mlflow', 'prefect'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_model_says_its_verdicts_its_coverage_and_where_learned_limits_come_from(sr: Sr, toy_package: BundleRef, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(toy_package.path, tmp_path / "bundle"))
    content = Evaluation.from_json((bundle / "evaluation.json").read_text(), "here")
    statuses = [region.verdict.status for region in content.regions]
    covered = [region.coverage for region in content.regions if region.coverage is not None]
    text = sr("explain", bundle).stdout
    assert f"  verdicts      {len(statuses)} {statuses[0]}\n" in text
    assert f"  interval      held {min(covered):.0%} to {max(covered):.0%} of the pixels of each region\n" in text
    assert "limits from" not in text
    fitted = fit_limits([{"texture": 1 + 0.01 * i, "shift": 0.1} for i in range(20)])
    limits = LearnedLimits(**dict(fitted), pixels=4096, windows=1, quantised=True)
    reference = Reference(images=24, groups=20, limits=limits)
    edit(bundle / "calibration.json", reference=json.loads(reference.model_dump_json()))
    text = sr("explain", bundle).stdout
    assert f"  limits from   24 validation images of 20 groups: {limits.describe()}\n" in text
    assert "number 20 of 20 clean outputs in rising order (for at most 5% false alarms)" in text
