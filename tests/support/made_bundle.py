"""A bundle of random weights on disk, calibrated for its unit: everything that upscaling needs, without any training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from sr_core.bundle import CALIBRATION, Bundle, BundleCard, Curve
from sr_core.networks import Descriptor, build
from sr_core.networks.precision import choose_precision
from sr_core.operators import make_operator
from sr_core.recipe import Recipe
from sr_core.records import Group
from sr_core.trust.calibration import Promise, Settings, calibrate
from sr_core.trust.scores import Sample

RANGES = {
    "reflectance": (0.0, 1.5),
    "grey level": (0.0, 255.0),
    "HU": (-1024.0, 3071.0),
    "DN": (0.0, 65535.0),
    "standard score": (-2.0, 6.0),
}


def make_bundle(
    folder: Path, unit: str = "reflectance", calibrated: bool = True, seed: int = 0, precision: str = "auto", perceptual: bool = False,
    **descriptor: Any,
) -> Path:  # fmt: skip
    """Write a bundle, calibrated in `precision`; `descriptor` changes its network (EDSR of 1 block of 8 maps at scale 2 by default)."""
    scale = descriptor.get("scale", 2)
    operator = make_operator("bicubic", scale)
    small = {"family": "edsr", "scale": scale, "width": 8, "blocks": 1, "linear_taps": 5, "operator": operator.to_json(), "spread": True}
    net = build(Descriptor.model_validate(small | descriptor), seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.002 * torch.randn(parameter.shape, generator=generator))
    low, high = RANGES[unit]
    card = BundleCard(
        descriptor=net.descriptor, operator=operator.to_json(), mean=low + (high - low) / 4, std=(high - low) / 8, bands=("a",), unit=unit,
        valid_range=(low, high), step=0.0, data_range=high - low, recipe=Recipe(domain="photo"), data="0" * 64, data_summary="made up",
        parents=(), software="test", licence="CC0", credits=(), notes=(), perceptual=perceptual,
    )  # fmt: skip
    bundle = Bundle.save(folder, card, net, Curve())
    if calibrated:
        _calibrate(bundle, (high - low) / 100, precision)
    return folder


def _calibrate(bundle: Bundle, error: float, precision: str) -> None:
    card = bundle.card
    precision = str(choose_precision(precision, "cpu")).removeprefix("torch.")
    rng = np.random.default_rng(0)
    mask = np.ones((40, 40), bool)
    shape = (1, 40, 40)
    spread = np.full(shape, error, np.float32)
    samples = [Sample(Group(kind="place", id=name), name, rng.exponential(error, shape).astype(np.float32), spread, mask) for name in "abc"]
    made = calibrate(
        samples, floor=error / 10, promise=Promise(), group_kind="place", one_group=False, unit=card.unit, weights=bundle.weights_hash,
        operator=make_operator("bicubic", card.descriptor.scale).digest(), operator_name="bicubic",
        settings=Settings(projection=card.projection, precision=precision, normalisation=card.normalisation), software="test",
    )  # fmt: skip
    (bundle.folder / CALIBRATION).write_text(made.to_json())
