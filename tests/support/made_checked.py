"""Evidence of delivered images, for checks: what a stage would put together, without a bundle."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch

from sr_core.operators import make_operator
from sr_core.raster import fill_nearest
from sr_core.trust.faults import FAULTS, Delivered
from sr_core.trust.verdict import Check, CheckResult, Evidence

FAULT = {fault.name: fault for fault in FAULTS}


def evidence_from(delivered: Delivered, bands: tuple[str, ...] = (), unit: str = "grey level", **changes: Any) -> Evidence:
    """Put a delivered image's evidence together."""
    y = torch.from_numpy(delivered.measurement())
    z = torch.from_numpy(fill_nearest(delivered.z, delivered.mask).astype(np.float64))
    place = delivered.transform
    bicubic = make_operator("bicubic", delivered.operator.scale).upscale(y).float().numpy()
    given = Evidence(
        y=y.numpy().astype(np.float32), z=delivered.z, bicubic=bicubic,
        mask_lr=delivered.mask_lr, mask_hr=delivered.mask, residual=(y - delivered.operator.apply(z)).float().numpy(),
        half_width=delivered.half_width, step=delivered.encoding.step, valid_range=delivered.encoding.valid_range, unit=unit,
        bands=bands or tuple(f"b{n}" for n in range(len(delivered.y))), operator=delivered.operator, rows=delivered.rows,
        cols=delivered.cols, transform_hr=place, transform_lr=None if place is None else coarser(place, delivered.operator.scale),
    )  # fmt: skip
    return dataclasses.replace(given, **changes)


def coarser(place: tuple[float, ...], scale: tuple[int, int]) -> tuple[float, float, float, float, float, float]:
    """Give the transform of the measurement's grid."""
    rows, cols = scale
    a, b, c, d, e, f = place
    return a * cols, b * rows, c, d * cols, e * rows, f


def written(delivered: Delivered) -> Delivered:
    """Round a delivered image as its file does."""
    own = delivered.encoding
    return dataclasses.replace(delivered, z=np.where(delivered.mask, own.decode(own.encode(np.nan_to_num(delivered.z))), delivered.z))


def planted(delivered: Delivered, fault: str, size: float, seed: int = 0) -> Delivered:
    """Plant a fault by its name."""
    return FAULT[fault].plant(delivered, size, seed)


def results(evidence: Evidence, checks: tuple[Check, ...]) -> dict[str, CheckResult]:
    """Run checks by name."""
    return {check.name: check(evidence) for check in checks}
