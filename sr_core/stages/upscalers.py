"""What a benchmark measures: interpolations, what the measurement alone says, a fitted filter, a model.

Each maps an image of 0..1 (C, h, w) to one of 0..1 (C, s h, s w), and says in words what it did with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sr_core.errors import InputError
from sr_core.metrics import luma, modcrop
from sr_core.operators.matlab import Border, resize, u8
from sr_core.raster import Encoding, Float32Array, Raster, Window

if TYPE_CHECKING:
    from sr_core.networks import SRNet
    from sr_core.stages.restore import Restorer

Colour = Literal["luma", "rgb"]
Interpolated = Literal["nearest", "bilinear", "bicubic"]
GREY_LEVEL, WHITE = "grey level", 255.0
GREY_LEVELS = Encoding("float32", low=0.0, high=WHITE)
TAPS = 9  # of the fitted filter


class Upscaler(Protocol):
    """A method of a benchmark.

    Attributes
    ----------
    name : heading of its rows.
    scale : the only scale that it can do, or None.
    colour : whether it is given the luma of a colour picture, or red, green and blue.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def scale(self) -> int | None: ...  # noqa: D102

    @property
    def colour(self) -> Colour: ...  # noqa: D102

    def says(self) -> str:
        """Say in words what is done, for a table's foot."""

    def __call__(self, lr: NDArray[Any], scale: int) -> NDArray[Any]:
        """Upscale (C, h, w), 0..1, to (C, s h, s w), 0..1 but for overshoot."""


@dataclass(frozen=True)
class Interpolation:
    """Nearest neighbour, bilinear or bicubic interpolation, as MATLAB has them, with its border rule."""

    kernel: Interpolated
    border: Border = "symmetric"
    colour: Colour = "luma"
    scale: None = None

    @property
    def name(self) -> str:
        """The kernel's."""
        return self.kernel

    def says(self) -> str:
        """Say it."""
        return f"{self.kernel} interpolation of the {_channels(self.colour)}"

    def __call__(self, lr: NDArray[Any], scale: int) -> NDArray[Any]:
        """Interpolate."""
        if self.kernel == "nearest":
            return lr.repeat(scale, axis=-2).repeat(scale, axis=-1)
        return resize(lr, scale, self.border, kernel=self.kernel)


@dataclass(frozen=True)
class Projected:
    """Bicubic interpolation, then the nearest image that explains the measurement: the smallest one, `A^+ y`, within 0..1."""

    colour: Colour = "luma"
    name: str = "projected bicubic"
    scale: None = None

    def says(self) -> str:
        """Say it."""
        return f"the smallest image that explains the {_channels(self.colour)} of the measurement, A+ y, kept within black and white"

    def __call__(self, lr: NDArray[Any], scale: int) -> NDArray[Any]:
        """Interpolate and project, in float64."""
        import torch

        from sr_core.operators import make_operator

        operator, y = make_operator("bicubic", scale), torch.from_numpy(lr.astype(np.float64))
        return operator.project(operator.upscale(y), y, (0.0, 1.0)).numpy()


@dataclass(frozen=True)
class FittedFilter:
    """The best 9 x 9 filter on top of bicubic interpolation, fitted once a scale on the luma of other pictures.

    Attributes
    ----------
    pictures : what it is fitted on: functions that give uint8 (C, H, W), C = 1 or 3.
    """

    pictures: Sequence[Callable[[], NDArray[np.uint8]]]
    colour: Colour = "luma"
    name: str = "linear filter"
    scale: None = None
    _nets: dict[int, SRNet] = field(default_factory=dict, repr=False, compare=False)

    def says(self) -> str:
        """Say it."""
        fitted = f"fitted on {len(self.pictures)} other pictures"
        return f"a linear filter of {TAPS} x {TAPS} taps over bicubic, {fitted}, on the {_channels(self.colour)}"

    def __call__(self, lr: NDArray[Any], scale: int) -> NDArray[Any]:
        """Filter; at the first picture of a scale, fit.

        Raises
        ------
        ShapeError
            If no picture to fit on is large enough.
        """
        import torch

        if scale not in self._nets:
            self._nets[scale] = self._fitted(scale)
        with torch.inference_mode():
            made = self._nets[scale].base(torch.from_numpy(lr.astype(np.float32))[None])[0]
        return made.numpy().astype(np.float64)

    def _fitted(self, scale: int) -> SRNet:
        import torch

        from sr_core.networks import build
        from sr_core.networks.linear import fit, linear_descriptor
        from sr_core.operators import make_operator

        def pair(picture: NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor]:
            hr = modcrop(luma_of(picture), scale) / WHITE
            return torch.from_numpy(resize(hr, Fraction(1, scale))), torch.from_numpy(hr)

        operator = make_operator("bicubic", scale)
        net = build(linear_descriptor(operator, TAPS)).eval()
        with torch.no_grad():
            net.set_filter(fit((pair(read()) for read in self.pictures), operator, TAPS))
        return net


class Model:
    """A bundle: the network's answer, projected onto the measurement where the bundle projects.

    Parameters
    ----------
    folder : the bundle. Its unit is the grey level (photo, face), or standard scores, in which every picture is expressed by its own mean
        and deviation.
    label : what the person called it.
    colour : None takes luma for a network that takes bands one by one, else red, green and blue.

    Raises
    ------
    InputError
        If the model is of another unit, or cannot take what `colour` asks for.
    BundleError
        If the bundle cannot be read.
    """

    def __init__(self, folder: Path, label: str, colour: Colour | None = None) -> None:
        from sr_core.operators import make_operator
        from sr_core.stages.restore import Restorer

        self._restorer = Restorer(folder)
        card = self._restorer.card
        self.family = card.descriptor.family
        self.name = f"{self.family} ({label})"
        self.scale = self._restorer.scale
        if not self._restorer.any_unit and card.unit != GREY_LEVEL:
            raise InputError(
                f"{label}, a model for {card.unit}", "one for pictures: grey levels, or standard scores", "Give another bundle."
            )
        self._joint = 0 if card.descriptor.bandwise else card.descriptor.channels
        self.colour: Colour = colour or ("rgb" if self._joint == 3 else "luma")
        if self._joint not in (0, 1 if self.colour == "luma" else 3):
            given = f"{label}, a network of {self._joint} bands together, on the {_channels(self.colour)}"
            raise InputError(given, "a network that takes as many bands, or one by one", "Choose another --colour, or another bundle.")
        self._own = self._restorer.operator.digest() == make_operator("bicubic", self.scale).digest()

    def says(self) -> str:
        """Say what was done with colour, with values, and which degradation it was made for."""
        together = "together" if self._joint > 1 else "one by one" if self.colour == "rgb" else "alone"
        sentence = f"the network on the {_channels(self.colour)} {together}"
        if self._restorer.any_unit:
            sentence += ", each picture in deviations from its own mean"
        if self._restorer.card.projection:
            sentence += ", projected onto the measurement"
        return (
            sentence if self._own else f"{sentence}; made for another degradation ({self._restorer.operator.describe()}), not for this one"
        )

    def __call__(self, lr: NDArray[Any], scale: int) -> NDArray[Any]:
        """Run the network; a grey picture is given to a network of three bands three times, and the mean is taken."""
        grey = self._joint == 3 and len(lr) == 1
        y = np.float32(WHITE) * np.asarray(lr.repeat(3, axis=0) if grey else lr, np.float32)
        model = self._for(y)
        made = model.delivered(model.predictor.predict(y).mean, y, model.operator).astype(np.float64) / WHITE
        return made.mean(axis=0, keepdims=True) if grey else made

    def _for(self, y: Float32Array) -> Restorer:
        return self._restorer.for_scene(_Held(y))


class _Held:
    """An image in memory as a scene, so that a model in standard scores can be expressed for it."""

    unit = GREY_LEVEL
    encoding = GREY_LEVELS

    def __init__(self, pixels: Float32Array) -> None:
        self._pixels = pixels
        self.shape: tuple[int, int, int] = (len(pixels), pixels.shape[1], pixels.shape[2])
        self.bands = tuple(f"band {i + 1}" for i in range(len(pixels)))

    def read(self, window: Window) -> Raster:
        rows, cols = window.slices()
        mask = np.ones((window.height, window.width), np.bool_)
        return Raster(self._pixels[:, rows, cols], mask, self.bands, self.unit, self.encoding.valid_range)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing is held open."""


def luma_of(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give the luma (H, W) of uint8 (C, H, W) as uint8; a grey picture is its own."""
    return u8(luma(picture)) if len(picture) == 3 else picture[0]


def _channels(colour: Colour) -> str:
    return "luma" if colour == "luma" else "red, green and blue"
