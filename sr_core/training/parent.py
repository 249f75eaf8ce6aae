"""The model that a warm start goes on from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sr_core.bundle import Bundle
from sr_core.networks import SRNet
from sr_core.records import Digest


@dataclass(frozen=True)
class Parent:
    """A finished network and the constants that it was trained with.

    Attributes
    ----------
    net : in evaluation mode, on the CPU; its spread head and calibration are not taken over.
    mean, std : normalisation of its pixels, in `unit`.
    unit, valid_range : of the images that it was trained on.
    weights : hash of its weights.
    """

    net: SRNet
    mean: float
    std: float
    unit: str
    valid_range: tuple[float, float]
    weights: Digest

    @classmethod
    def load(cls, folder: Path) -> Parent:
        """Read it from a bundle.

        Raises
        ------
        BundleError
            If the bundle cannot be read.
        """
        bundle = Bundle.load(folder)
        card = bundle.card
        return cls(bundle.net, card.mean, card.std, card.unit, card.valid_range, bundle.weights_hash)

    def same_pixels(self, unit: str, valid_range: tuple[float, float]) -> bool:
        """Say whether its numbers mean what those of other images mean, so that its normalisation holds for them."""
        return (self.unit, self.valid_range) == (unit, valid_range)
