from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.long

LOAD = """
import sys, warnings
import numpy as np
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/sr-satellite@champion")
out = model.predict(np.load(sys.argv[2]))
np.savez(sys.argv[3], **out)
assert model.metadata.metadata["claim_level"] == "empirical" and model.metadata.metadata["verdict"] in ("pass", "warn")
assert not any(name == "flows" or name.startswith("flows.") for name in sys.modules)
"""


def test_it_ends_promoted_with_a_report_and_files(demo: Any) -> None:
    result = demo.result
    assert (result["model"], result["version"], result["alias"], result["promoted"]) == ("sr-satellite", 1, "champion", True)
    assert [row["method"] for row in result["table"]][:2] == ["bicubic", "projected bicubic"]
    assert result["table"][-1]["psnr_db"] > result["table"][1]["psnr_db"]
    report = Path(result["report"])
    assert report.is_file() and report.is_relative_to(demo.workspace)
    assert all(Path(path).is_file() and ".partial" not in path for path in result["outputs"])
    assert len(result["outputs"]) >= 2
    assert "one scene" in result["claim"]
    assert "Traceback" not in demo.errors and "ERROR" not in demo.errors


def test_nothing_is_written_outside_the_workspace(demo: Any) -> None:
    assert [path.name for path in demo.folder.iterdir()] == ["var"]
    assert not list(demo.workspace.rglob("*.partial"))


def test_the_run_holds_parameters_metrics_pictures_and_the_report(demo: Any) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(demo.tracking_uri, demo.tracking_uri)
    run = client.get_run(demo.result["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.params["network.family"] == "linear" and run.data.params["scale"] == "2"
    assert run.data.metrics["test/psnr_db/model"] == pytest.approx(demo.result["table"][-1]["psnr_db"])
    names = {a.path for a in client.list_artifacts(demo.result["run_id"])}
    assert {"report.html", "pictures", "bundle"} <= names
    assert len(client.list_artifacts(demo.result["run_id"], "pictures")) == 3
    version = client.get_model_version_by_alias("sr-satellite", "champion")
    assert {"scale", "operator", "claim_level", "manifest", "weights", "bundle", "software"} <= set(version.tags)
    assert {"claim_groups", "calibration", "verdict", "verdict_sentence", "worst_check"} <= set(version.tags)


def test_champion_in_a_clean_process_outside_the_checkout_equals_the_library(demo: Any, tmp_path: Path, program: Any) -> None:
    images = np.random.default_rng(0).uniform(0.01, 0.4, (2, 4, 33, 50)).astype(np.float32)
    images[1, :, 5:9, 7:12] = np.nan
    np.save(tmp_path / "in.npy", images)
    done = program(["python", "-c", LOAD, demo.tracking_uri, str(tmp_path / "in.npy"), str(tmp_path / "out.npz")], tmp_path)
    assert done.returncode == 0, done.stderr
    shown = json.loads(program(["sr", "models", "show", "sr-satellite", "--json", "-w", str(demo.workspace)], tmp_path).stdout)

    from sr_core.stages.restore import Restorer

    restorer = Restorer(Path(shown["folder"]))
    with np.load(tmp_path / "out.npz") as given:
        for i, image in enumerate(images):
            mask = np.isfinite(image).all(axis=0)
            expected = restorer.restore(image, mask)
            wide = mask.repeat(2, 0).repeat(2, 1)
            np.testing.assert_array_equal(given["sr"][i][:, wide], expected.sr[:, wide])
            np.testing.assert_array_equal(given["half_width"][i][:, wide], expected.half_width[:, wide])
            assert np.isnan(given["sr"][i][:, ~wide]).all()
        assert given["sr"].dtype == np.float32 and given["sr"].shape == (2, 4, 66, 100)


def test_a_second_run_finds_nothing_new_and_gives_the_same(demo: Any, again: Any) -> None:
    assert again.result["nothing_new"] is True
    assert again.result["reused"] == ["ingest", "sr-satellite version 1 (champion)", "upscale"]
    for name in ("model", "version", "alias", "table", "outputs", "verdicts", "claim", "report"):
        assert again.result[name] == demo.result[name]


def test_upscale_with_the_champion_writes_what_the_flow_wrote(demo: Any, tmp_path: Path, program: Any) -> None:
    import rasterio

    scene = next((demo.workspace / "demo" / "satellite").glob("*.tif"))
    target = tmp_path / "out" / "scene_x2.tif"
    command = ["sr", "upscale", "satellite", str(scene), "--out", str(target), "-w", str(demo.workspace)]
    first = program([*command, "--json"], tmp_path)
    assert first.returncode == 0, first.stderr
    roles = {f["role"] for f in json.loads(first.stdout)["images"][0]["files"]}
    assert {"image", "interval"} <= roles
    flow_image = next(p for p in demo.result["outputs"] if p.endswith("_x2.tif"))
    with rasterio.open(target) as mine, rasterio.open(flow_image) as theirs:
        np.testing.assert_array_equal(mine.read(), theirs.read())
    before = target.read_bytes()
    second = program(command, tmp_path)
    assert second.returncode == 0 and "was there already" in second.stderr
    assert target.read_bytes() == before
    target.write_bytes(before + b"x")  # no longer what this command makes
    third = program(command, tmp_path)
    assert third.returncode == 2 and "--overwrite" in third.stderr
    assert target.read_bytes() == before + b"x"


@pytest.mark.parametrize("domain", ["medical", "face"])
def test_the_careful_domains_end_not_promoted_with_the_reasons_and_exit_0(domain: str, tmp_path: Path, start: Any) -> None:
    result = start(tmp_path, tmp_path / "var", domain).result
    assert result["promoted"] is False
    assert result["alias"] in (None, "challenger")
    assert "too few groups" in result["decision"] and "a person must approve" in result["decision"]
    assert result["outputs"]
