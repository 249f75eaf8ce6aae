"""Self-ensemble: the network on the image turned and mirrored, its answers turned back, and their mean.

References
----------
Timofte, R., Rothe, R., Van Gool, L. (2016), Seven ways to improve example-based single image super resolution, doi:10.1109/CVPR.2016.206.
"""

from __future__ import annotations

from dataclasses import dataclass

from sr_core.errors import InputError
from sr_core.operators.symmetry import RECTANGLE, SYMMETRIES, commuting

SIZES = (1, 4, 8)
# Flips leave rows rows. A sensor that scans them sees along a row otherwise than from row to row (motion, jitter between lines, sampling),
# so a picture on its side is none that it could have taken, whatever its declared kernel says: 4 is for such sensors, and half the work.
ASKED = {1: (0,), 4: RECTANGLE, 8: tuple(range(SYMMETRIES))}


@dataclass(frozen=True)
class Ensemble:
    """The symmetries under which a network is run.

    Attributes
    ----------
    asked : 1 (none), 4 (flips: left-right, up-down, both) or 8 (quarter turns, too).
    symmetries : numbers for `dihedral`, 0 first: those of the asked ones that the degradation has. They are a group, so the result turns
        with the image.
    size : the smallest of 1, 4 and 8 that gives the same symmetries; by this and the degradation they are known.
    """

    asked: int
    symmetries: tuple[int, ...]
    size: int

    @property
    def runs(self) -> int:
        """Runs of the network an image."""
        return len(self.symmetries)

    def says(self) -> str:
        """Say in one sentence what of the asked symmetries is left out, and why; "" where nothing is."""
        if self.runs == self.asked:
            return ""
        times = "once" if self.runs == 1 else f"{self.runs} times"
        return f"the degradation has {self.runs} of the {self.asked} symmetries of --ensemble {self.asked}: the network is run {times}"


def choose_ensemble(asked: int, operator: str) -> Ensemble:
    """Give the ensemble for a degradation (JSON): an image turned otherwise is none that it could have made.

    Raises
    ------
    InputError
        If `asked` is not 1, 4 or 8.
    """
    if asked not in ASKED:
        raise InputError(f"a self-ensemble of {asked}", "1 (none), 4 (flips) or 8 (turns, too)", "Choose one of them.")
    if asked == 1:
        return Ensemble(1, ASKED[1], 1)
    there = commuting(operator)
    used = {size: tuple(k for k in ASKED[size] if k in there) for size in SIZES}
    return Ensemble(asked, used[asked], next(size for size in SIZES if used[size] == used[asked]))
