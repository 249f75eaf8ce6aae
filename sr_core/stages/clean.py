"""The figures of the checks on clean images: what their limits are learned from."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from sr_core.domain import Domain
from sr_core.raster import Raster, Window
from sr_core.records import Group
from sr_core.stages.evidence import context_of, evidence_of, run_checks
from sr_core.stages.overall import CHECKED, cells

if TYPE_CHECKING:
    from sr_core.stages.reference import Seen
    from sr_core.stages.restore import Restorer
    from sr_core.trust.learned import WindowFigures
    from sr_core.trust.reference import LearnedLimits


class CleanFigures:
    """Takes validation images one at a time, each in windows of the size in which an upscale is checked."""

    def __init__(self, domain: Domain, restorer: Restorer) -> None:
        self._domain, self._restorer = domain, restorer
        self._groups: dict[Group, list[WindowFigures]] = defaultdict(list)
        self._quantised = True

    def add(self, seen: Seen) -> None:
        """Run all checks on an image, in at most 16 windows spread over it."""
        from sr_core.trust.hallucination import spread_evenly
        from sr_core.trust.learned import figures_of

        lr, restorer, encoding = seen.pair.lr, self._restorer, seen.pair.encoding
        self._quantised = encoding.step > 0
        half = None if restorer.calibration is None else seen.restored.half_width
        height, width = lr.mask.shape
        valid = [window for window in cells(Window(0, 0, height, width)) if lr.mask[window.slices()].any()]
        for window in spread_evenly(valid, CHECKED):
            around = window.grown(context_of(restorer.operator), height, width)
            place, fine = ((slice(None), *w.slices()) for w in (around, around.scaled(restorer.scale)))
            part = Raster(lr.pixels[place], lr.mask[around.slices()], lr.bands, lr.unit, lr.valid_range)
            evidence = evidence_of(
                restorer, part, seen.delivered[fine], None if half is None else half[fine], encoding.step, core=window.inside(around)
            )
            found = run_checks(self._domain, evidence)
            self._groups[seen.region.group].append(figures_of(found, int(np.count_nonzero(evidence.mask_lr))))

    def limits(self) -> LearnedLimits | None:
        """Fit the limits; None where the groups are too few."""
        from sr_core.trust.learned import learn

        return learn({f"{group.kind} {group.id}": figures for group, figures in self._groups.items()}, quantised=self._quantised)
