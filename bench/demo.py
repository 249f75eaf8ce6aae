"""The satellite demonstration without Prefect and MLflow, on one thread: PSNR on the test blocks, CPU seconds of training."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import torch

from domains.satellite.domain import DOMAIN
from sr_core.log import Silent
from sr_core.stages.calibrate import calibrate
from sr_core.stages.evaluate import evaluate, load_evaluation
from sr_core.stages.ingest import ingest
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
        bundle = train(store, recipe=recipe, workspace=workspace, log=log)
        training_s = time.process_time() - start
        calibrated = calibrate(DOMAIN, manifest, bundle, recipe=recipe, workspace=workspace, log=log)
        result = load_evaluation(evaluate(DOMAIN, manifest, calibrated, champion=None, recipe=recipe, workspace=workspace, log=log))
    psnr = {method: result.mean_psnr_db(method) for method in result.methods()}
    values: dict[str, float] = {f"{method.replace(' ', '_')}_db": value for method, value in psnr.items()}
    values["gain_over_bicubic_db"] = psnr["model"] - psnr["bicubic"]
    values["gain_over_projected_db"] = psnr["model"] - psnr["projected bicubic"]
    values["gain_over_linear_db"] = psnr["model"] - psnr["linear filter"]
    values["training_cpu_s"] = training_s
    values["worst_residual_rms_steps"] = max(r.residual_rms for r in result.regions) / (1e-4)
    values["coverage"] = sum(r.coverage or 0.0 for r in result.regions) / len(result.regions)
    print(json.dumps(values))


if __name__ == "__main__":
    main()
