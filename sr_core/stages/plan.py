"""How one image is to be upscaled: all that its result depends on, and the key made of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sr_core.domain import CAUTION, Domain, OutputPlan
from sr_core.stages.bands import band_height

if TYPE_CHECKING:
    from sr_core.raster import Scene
    from sr_core.records import Source
    from sr_core.stages.restore import Restorer

VERSION = 1  # of what finished rows are


def make_plan(
    domain: Domain,
    source: Source,
    scene: Scene,
    restorer: Restorer,
    target: Path,
    *,
    interval: bool = True,
    residual: bool = False,
    overwrite: bool = False,
) -> OutputPlan:
    """Plan the result of an image, with its key; parameters as in `upscale.upscale`, `scene` is the source, open."""
    runs = restorer.predictor.ensemble.runs
    plan = OutputPlan(
        target=target,
        scale=restorer.scale,
        model=f"{domain.name}:{restorer.bundle.weights_hash[:12]}",
        operator=restorer.operator.describe(),
        claim=restorer.claim(domain.group_kind).text,
        tags={
            "SR_MODEL": restorer.bundle.weights_hash,
            "SR_CALIBRATION": restorer.calibration.digest() if restorer.calibration else "none",
            "SR_NOTICE": domain.sensitivity.notice,
            **({"SR_ENSEMBLE": str(runs)} if runs > 1 else {}),
            **({CAUTION: " ".join(restorer.cautions)} if restorer.cautions else {}),
            **({"SR_CREDITS": "; ".join(restorer.card.credits)} if restorer.card.credits else {}),
        },
        interval=interval and gives_interval(restorer),
        residual=residual,
        overwrite=overwrite,
    )
    return replace(plan, key=_key(source, scene, restorer, plan))


def gives_interval(restorer: Restorer) -> bool:
    """Say whether a calibration holds that has an interval to give."""
    return restorer.calibration is not None and restorer.calibration.multiplier is not None


def _key(source: Source, scene: Scene, restorer: Restorer, plan: OutputPlan) -> str:
    """Hash all that the finished rows depend on, so that no row of another run is taken for one of this."""
    from sr_core.bundle import software

    predictor = restorer.predictor
    body = {
        "version": VERSION,
        "software": software(),
        "source": source.sha256,
        "image": [list(scene.shape), list(scene.bands), scene.unit, repr(scene.encoding)],
        "model": [restorer.bundle.weights_hash, restorer.card.digest()],
        "run": [
            restorer.precision,
            restorer.device,
            restorer.estimator,
            predictor.tile,
            predictor.strip,
            list(predictor.ensemble.symmetries),
            band_height(scene.shape[2]),
        ],
        "plan": [plan.scale, plan.interval, plan.residual, plan.model, plan.operator, plan.claim, dict(plan.tags)],
    }
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
