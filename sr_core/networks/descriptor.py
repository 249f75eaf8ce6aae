"""What names a network: enough to build it again, without its weights."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sr_core.families import PositiveInt, Sizes

Tail = Literal["light", "heavy"]
Estimator = Literal["magnitude head", "Laplace head", "local energy of the filter"]


class Descriptor(Sizes):
    """A network by name and size.

    Attributes
    ----------
    family, width, blocks, narrow, middle, growth, residual_scale : see `Sizes`; "linear" is the fitted linear filter alone.
    scale : HR pixels per LR pixel, both axes.
    channels : bands that the network sees at once: 1 if `bandwise`.
    bandwise : one network for every band, so any number of bands can be given.
    base : what the residual is added to: the operator's upscaling (bicubic where the operator sees whole images only), or the fitted
        linear filter (itself over the upscaling).
    linear_taps : side of the fitted filter in LR pixels, odd.
    operator : the degradation, as its JSON text.
    spread : whether the network says how large its error is.
    tail : what its spread head learned: "light" the mean size of errors (the magnitude head), "heavy" the scale of a Laplace distribution.
        "light" is left out of the text: so older bundles read.
    """

    scale: Annotated[int, Field(ge=2, le=8)]
    channels: PositiveInt = 1
    bandwise: bool = True
    base: Literal["linear", "operator"] = "linear"
    linear_taps: Annotated[int, Field(ge=3, le=15)] = 9
    operator: str
    spread: bool = False
    tail: Tail = Field(default="light", exclude_if=lambda tail: tail == "light")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.bandwise and self.channels != 1:
            raise ValueError(f"a band-wise network sees 1 band at a time, not channels={self.channels}")
        if self.linear_taps % 2 == 0:
            raise ValueError("linear_taps must be odd, so that the filter has a centre")
        return self

    @property
    def estimator(self) -> Estimator | None:
        """Name what says how large errors are; None where the network has no spread head."""
        if not self.spread:
            return None
        if self.family == "linear":
            return "local energy of the filter"
        return "magnitude head" if self.tail == "light" else "Laplace head"
