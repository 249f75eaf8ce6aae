"""The record of what an image invents and what it leaves out, held against the truth."""

from __future__ import annotations

from sr_core.records import Record
from sr_core.trust.hallucination import Disagreement
from sr_core.trust.hallucination_truth import Correctness, ErrorSplit
from sr_core.trust.planted import RecoveryCurve

PLANTED_SIZES = (1.5, 2.0, 3.0, 4.0)  # FWHM, HR px


class CreatedObjects(Record):
    """Objects of one size in an output that are not in the truth, larger than the interval allows at their place.

    Attributes
    ----------
    fwhm : HR px.
    objects, bicubic : how many, and how many in plain bicubic's image by the same interval.
    times : the largest amplitude, as a multiple of the half-width at its place, whether or not it exceeds it; None: nothing was looked at.
    where : row and column of that place, HR px.
    """

    fwhm: float
    objects: int
    bicubic: int
    times: float | None
    where: tuple[int, int] | None


class Invention(Record):
    """What an image invents and what it leaves out.

    Attributes
    ----------
    split : the error's two parts: what the measurement contradicts, and what it cannot see.
    shares : improvement, omission and synthesis, without harmonisation.
    planted : objects planted in the truth and looked for in the output; None where none were.
    planted_absent : why none were planted; "" where some were.
    erased, side_effect : of all sizes: objects of which less came through than half of what bicubic keeps, and the largest change far
        from every object, as a share of the amplitude.
    created : objects that are not in the truth, a size each; empty where there is no interval.
    hidden : what could hide in the interval where it is widest, in a sentence; "" where there is no interval.
    disagreement : of a perceptual model with the pixel champion's interval; None where there is none at hand.
    """

    split: ErrorSplit
    shares: Correctness
    planted: RecoveryCurve | None = None
    planted_absent: str = ""
    created: tuple[CreatedObjects, ...] = ()
    hidden: str = ""
    disagreement: Disagreement | None = None

    @property
    def erased(self) -> int:
        """Number of planted objects that were erased."""
        return 0 if self.planted is None else sum(size.erased for size in self.planted.sizes)

    @property
    def objects(self) -> int:
        """Number of planted objects."""
        return 0 if self.planted is None else sum(len(size.places) for size in self.planted.sizes)

    @property
    def times(self) -> float | None:
        """Largest amplitude of an object that is not in the truth, as a multiple of the half-width there; None: not looked at."""
        known = [size.times for size in self.created if size.times is not None]
        return max(known) if known else None
