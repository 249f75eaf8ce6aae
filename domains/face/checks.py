"""Checks of an upscaled face, as far as they can be made without landmarks and without an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domains.face.read import PUPILS_TO_SIDE
from sr_core.trust.verdict import Check, CheckResult, Evidence, limit, skipped

WARN_PUPILS_PX = 24.0  # twice the distance at which people guess


@dataclass(frozen=True)
class FacePixels:
    """The largest distance between pupils that a face in this LR image can have, in pixels.

    An upper bound by the image's size: where a face fills the picture it is met, elsewhere the face is smaller still.
    """

    name: str = "face size"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure the image."""
        return limit(
            self.name, min(evidence.y.shape[1:]) / PUPILS_TO_SIDE, unit="LR px", threshold=WARN_PUPILS_PX, direction="at least",
            severity="warn", source="twice the distance at which people guess", where=evidence.where,
            sentence="a face in so small an image has too few pixels between its eyes for its details to be known.",
        )  # fmt: skip


@dataclass(frozen=True)
class Identity:
    """Whether the output still shows the same person; needs an embedding, which is not shipped."""

    name: str = "identity"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Say that it was not run."""
        return skipped(self.name, "no embedding provider.")


def checks() -> Sequence[Check]:
    """Give the domain's checks."""
    return (FacePixels(), Identity())
