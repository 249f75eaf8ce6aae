"""The interval as it was stored, held against what calibration and spread gave when it was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sr_core.raster import BoolArray, Float32Array, Window
from sr_core.stages.overall import BandNote

if TYPE_CHECKING:
    from sr_core.trust.verdict import CheckResult

NAME = "interval as stored"
NARROWER = 1e-3  # relative: half-widths are float32, and files that round them round up


class StoredInterval:
    """Compares the mean half-width of windows, as read back, with the one that was noted when they were computed."""

    def __init__(self, notes: Sequence[BandNote]) -> None:
        self._seen = {seen.window: seen for note in notes for seen in note.windows}
        self._narrowest: float | None = None

    def take(self, window: Window, half_width: Float32Array | None, mask: BoolArray) -> None:
        """Look at a window of the LR grid.

        Parameters
        ----------
        window : one of those noted.
        half_width : float32 (C, H, W), as stored, physical unit, NaN where there is no claim; None: none is kept.
        mask : bool (H, W), valid pixels.

        Notes
        -----
        A window in which the file kept fewer half-widths than were given, since they are wider than it can hold, is left out.
        """
        noted = self._seen[window]
        if half_width is None or not noted.claimed:
            return
        known = np.isfinite(half_width) & mask
        if np.count_nonzero(known) != noted.claimed:
            return
        stored = float(np.sum(half_width, where=known, dtype=np.float64)) / noted.claimed
        narrower = 1 - stored / noted.half_width if noted.half_width > 0 else 0.0
        if self._narrowest is None or not narrower <= self._narrowest:
            self._narrowest = narrower

    def result(self) -> CheckResult:
        """Say how much narrower than computed the interval is in the worst window."""
        from sr_core.trust.verdict import limit, skipped

        if self._narrowest is None:
            return skipped(NAME, "there is no interval to compare", required=False)
        return limit(
            NAME, max(0.0, self._narrowest), unit="of the half-width", threshold=NARROWER, source="exact", where=None,
            sentence="the interval in the file is no narrower than the calibration made it",
        )  # fmt: skip
