"""The satellite demonstration without Prefect and MLflow, on one thread: PSNR on the test blocks, CPU seconds of training."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import torch

from domains.satellite.domain import DOMAIN
from sr_core.log import Silent
from sr_core.records import ManifestRef
from sr_core.stages.calibrate import calibrate
from sr_core.stages.evaluate import evaluate, load_evaluation
from sr_core.stages.ingest import MANIFEST, ingest, load_manifest
from sr_core.stages.prepare import prepare
from sr_core.stages.train import train
from sr_core.workspace import Workspace


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    recipe, log = DOMAIN.recipe(), Silent()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        paths = DOMAIN.demo(Path(folder) / "demo")
        manifest = ingest(DOMAIN, paths, recipe=recipe, workspace=workspace, log=log)
        store = prepare(DOMAIN, manifest, recipe=recipe, workspace=workspace, log=log)
        start = time.process_time()
        parent = DOMAIN.shipped()[recipe.scale]
        bundle = train(store, recipe=recipe, workspace=workspace, log=log, parent=parent)
        training_s = time.process_time() - start
        calibrated = calibrate(DOMAIN, manifest, bundle, recipe=recipe, workspace=workspace, log=log)
        beside = {"champion": None, "parent": parent, "recipe": recipe, "workspace": workspace, "log": log}
        result = load_evaluation(evaluate(DOMAIN, manifest, calibrated, **beside))
        everywhere = load_evaluation(evaluate(DOMAIN, _all_blocks(manifest, Path(folder)), calibrated, **beside))
    psnr = {method: result.mean_psnr_db(method) for method in result.methods()}
    values: dict[str, float] = {f"{method.replace(' ', '_')}_db": value for method, value in psnr.items()}
    values["gain_over_bicubic_db"] = psnr["model"] - psnr["bicubic"]
    values["gain_over_projected_db"] = psnr["model"] - psnr["projected bicubic"]
    values["gain_over_linear_db"] = psnr["model"] - psnr["linear filter"]
    values["gain_over_parent_db"] = psnr["model"] - psnr["parent"]
    values["all_blocks_gain_over_bicubic_db"] = everywhere.mean_psnr_db("model") - everywhere.mean_psnr_db("bicubic")
    values["all_blocks_gain_over_linear_db"] = everywhere.mean_psnr_db("model") - everywhere.mean_psnr_db("linear filter")
    values["training_cpu_s"] = training_s
    values["worst_residual_rms_steps"] = max(r.residual_rms for r in result.regions) / (1e-4)
    values["coverage"] = sum(r.coverage or 0.0 for r in result.regions) / len(result.regions)
    print(json.dumps(values))


def _all_blocks(ref: ManifestRef, folder: Path) -> ManifestRef:
    """Make every held-out block a test block, also those that chose between network and filter or calibrated the interval."""
    manifest = load_manifest(ref)
    split = manifest.split
    test = (*split.val, *split.calibration, *split.test)
    changed = manifest.model_copy(update={"split": split.model_copy(update={"val": (), "calibration": (), "test": test})})
    place = folder / "all"
    place.mkdir()
    (place / MANIFEST).write_text(changed.to_json())
    return ManifestRef(path=place, hash=changed.content_hash())


if __name__ == "__main__":
    main()
