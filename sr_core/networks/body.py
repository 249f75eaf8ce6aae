"""What a family gives to the network that is built around it."""

from __future__ import annotations

from dataclasses import dataclass

from sr_core.networks.blocks import Sequence


@dataclass(frozen=True)
class Body:
    """The learned part: `trunk` makes `features` maps (which the spread head reads too), `tail` makes the residual of them.

    The tail's last convolution is left at zero, so that an untrained network is its base.
    """

    trunk: Sequence
    tail: Sequence
    features: int
