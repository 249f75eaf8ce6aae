"""Delivered images on which faults are planted: what a check would be given of a clean upscale."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from sr_core.operators import make_operator
from sr_core.raster import Encoding, Window
from sr_core.records import Group, Region, Split
from sr_core.trust.calibration import Calibration, Promise, Settings, calibrate
from sr_core.trust.faults import Delivered, projection_onto
from sr_core.trust.scores import Sample

OPERATOR = make_operator("bicubic", 2)
SIDE = 96


def picture(seed: int = 0) -> np.ndarray:
    """Soft texture of three bands between about 50 and 210."""
    rng = np.random.default_rng(seed)
    soft = gaussian_filter(rng.normal(size=(3, SIDE, SIDE)), (0, 2, 2))
    return 130 + 18 * soft / soft.std()


def calibration() -> Calibration:
    rng = np.random.default_rng(0)
    spread = rng.uniform(1, 5, (1, 30, 30)).astype(np.float32)
    items = [
        Sample(
            Group(kind="place", id=str(n)), str(n), np.abs(rng.normal(size=spread.shape)).astype(np.float32) * spread, spread, spread[0] > 0
        )
        for n in range(3)
    ]
    return calibrate(
        items, floor=0.25, promise=Promise(), group_kind="place", one_group=False, unit="grey level", weights="a" * 64, operator="b" * 64,
        operator_name="bicubic x2", settings=Settings(projection=True, precision="float32"), software="sr 0.1",
    )  # fmt: skip


def split() -> Split:
    parts = [
        (Region(source=n * 64, window=Window(0, 0, 96, 96), group=Group(kind="place", id=n)),) for n in "abcd"
    ]  # fmt: skip
    return Split(train=parts[0], val=parts[1], calibration=parts[2], test=parts[3])


def delivered(*, holes: bool = False, seed: int = 0, step: float = 1.0) -> Delivered:
    """A projected image in memory (not rounded, so that consistency is exact), with everything that a fault can need."""
    hr = torch.from_numpy(picture(seed))
    y = torch.round(OPERATOR.apply(hr)).numpy().astype(np.float32)
    mask_lr = np.ones(y.shape[1:], bool)
    if holes:
        mask_lr[10:20, 30:40] = False
    project = projection_onto(y, mask_lr, OPERATOR)
    soft = (0.7 * hr + 0.3 * OPERATOR.upscale(torch.from_numpy(y).double())).numpy().astype(np.float32)
    mask = mask_lr.repeat(2, 0).repeat(2, 1)
    z = np.where(mask, project(soft), np.float32(np.nan))
    own = calibration()
    spread = np.random.default_rng(seed).uniform(1, 5, z.shape).astype(np.float32)
    return Delivered(
        z=z, mask=mask, y=np.where(mask_lr, y, np.nan).astype(np.float32), mask_lr=mask_lr, operator=OPERATOR,
        encoding=Encoding("uint8", step), rows=(32, 64), cols=(48,), project=project, half_width=own.half_width(spread),
        truth=hr.numpy().astype(np.float32), transform=(10.0, 0.0, 500.0, 0.0, -10.0, 900.0), calibration=own, weights="a" * 64,
        split=split(),
    )  # fmt: skip
