"""Whether the images of one run, taken together, have drifted from those that the model was calibrated on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sr_core.trust.calibration import Calibration
    from sr_core.trust.domain_check import Drift

Seen = tuple[str, Sequence[float] | None]  # a group, and the deviations of one of its images (None: it was not compared)


def drift_of_run(calibration: Calibration | None, images: Iterable[Seen]) -> Drift | None:
    """Compare a batch of upscaled images with the calibration; images of one group count as one.

    None where there is nothing to say: no calibration that knows what its images look like, or fewer than two groups.
    """
    import numpy as np

    from sr_core.trust.domain_check import drift_of

    fit = None if calibration is None or calibration.reference is None else calibration.reference.domain
    groups: dict[str, list[Sequence[float]]] = {}
    for group, deviations in images:
        if deviations is not None:
            groups.setdefault(group, []).append(deviations)
    if fit is None or len(groups) < 2:
        return None
    return drift_of(fit, [np.mean(rows, axis=0).tolist() for rows in groups.values()])
