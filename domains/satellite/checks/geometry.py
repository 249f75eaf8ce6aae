"""Whether the output lies where the input lies, by what the two files state."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sr_core.raster import Transform
from sr_core.trust.verdict import CheckResult, Evidence, limit, skipped

TOLERANCE_PX = 1e-6  # SR px: what float64 keeps of a coordinate of ten million metres, with a margin


@dataclass(frozen=True)
class Geometry:
    """The output's grid has the input's corner and pixels 1/scale as large: half a pixel beside it is the classic error."""

    name: str = "geometry"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure how far a corner of the grid lies beside its place, SR px; exact."""
        lr, hr = evidence.transform_lr, evidence.transform_hr
        if lr is None and hr is None:
            return skipped(self.name, "the file states no affine position", required=False)
        away = math.inf if lr is None or hr is None else beside(lr, hr, evidence.scale, evidence.mask_hr.shape)
        return limit(
            self.name, away, unit="SR px", threshold=TOLERANCE_PX, source="exact", where=None,
            sentence="the corner of the image stays, and its pixels are smaller by the scale",
        )  # fmt: skip


def beside(lr: Transform, hr: Transform, scale: tuple[int, int], shape: tuple[int, ...]) -> float:
    """Give the largest distance, in SR px, between where corners of the SR grid lie and where they should.

    Parameters
    ----------
    lr, hr : (a, b, c, d, e, f): x = a col + b row + c, y = d col + e row + f.
    scale : SR pixels per LR pixel, rows and columns.
    shape : height and width, SR px, up to which corners are compared.
    """
    rows, cols = scale
    a, b, c, d, e, f = lr[0] / cols, lr[1] / rows, lr[2], lr[3] / cols, lr[4] / rows, lr[5]
    area = a * e - b * d
    if area == 0 or not math.isfinite(area):
        return math.nan
    worst = 0.0
    for row in (0, shape[0]):
        for col in (0, shape[1]):
            east = (hr[0] - a) * col + (hr[1] - b) * row + (hr[2] - c)
            north = (hr[3] - d) * col + (hr[4] - e) * row + (hr[5] - f)
            away = math.hypot((e * east - b * north) / area, (a * north - d * east) / area)
            worst = away if not away <= worst else worst
    return worst
