"""The perceptual model of the satellite demonstration beside the model for fidelity, as written: octave energy and PSNR. One thread.

Both go on from the shipped model by the same recipe but for the adversarial phase, and are measured as the gate measures them: on the test
blocks, projected and rounded as in a file. `way` is the share of the way from the energy of the model for fidelity in the highest octave to
the truth's.
"""

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
from sr_core.stages.gate import gate
from sr_core.stages.ingest import ingest
from sr_core.stages.prepare import prepare
from sr_core.stages.train import train
from sr_core.workspace import Workspace


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    log = Silent()
    fidelity = DOMAIN.recipe()
    perceptual = fidelity.with_overrides({"purpose": "perceptual"})
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        common = {"workspace": workspace, "log": log}
        manifest = ingest(DOMAIN, DOMAIN.demo(Path(folder) / "demo"), recipe=fidelity, **common)
        store = prepare(DOMAIN, manifest, recipe=fidelity, **common)
        parent = DOMAIN.shipped()[fidelity.scale]
        pixel = train(store, recipe=fidelity, parent=parent, **common)
        start = time.process_time()
        bundle = train(store, recipe=perceptual, parent=parent, **common)
        training_s = time.process_time() - start
        calibrated = calibrate(DOMAIN, manifest, bundle, recipe=perceptual, **common)
        evaluated = evaluate(DOMAIN, manifest, calibrated, champion=None, pixel_champion=pixel.path, recipe=perceptual, **common)
        decision = gate(DOMAIN, evaluated, family=bundle.family, approved_by=None, champion_level=None, log=log)
        result = load_evaluation(evaluated)
    made, before = (result.mean_octave_energy(method) or float("nan") for method in ("model", "pixel champion"))
    values = {
        "way": (made - before) / (1 - before),
        "psnr_loss_db": result.mean_psnr_db("pixel champion") - result.mean_psnr_db("model"),
        "octave_energy": made,
        "octave_energy_before": before,
        "worst_residual_rms_steps": max(r.residual_rms for r in result.regions) / 1e-4,
        "training_cpu_s": training_s,
        "registered": decision.register_it,
    }
    for method in result.methods():
        values[f"{method.replace(' ', '_')}_db"] = result.mean_psnr_db(method)
        values[f"{method.replace(' ', '_')}_octave"] = result.mean_octave_energy(method) or float("nan")
    print(json.dumps(values))


if __name__ == "__main__":
    main()
