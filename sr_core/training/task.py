"""What is trained on what: everything that stays the same from the first step to the last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from sr_core.log import Log
from sr_core.networks import Descriptor, SRNet, build, linear_descriptor
from sr_core.networks.precision import choose_precision
from sr_core.operators import Operator
from sr_core.patches import MemoryReader, whole_pairs
from sr_core.recipe import Recipe
from sr_core.records import Digest
from sr_core.training.clock import Clock, SystemClock
from sr_core.training.crops import Crops
from sr_core.training.interrupts import Interrupts
from sr_core.training.streams import stream

VERSION = 1  # of what a checkpoint means
RESPONSE = 1e-2  # share of its peak at which the projection's response counts as gone, for the margin of a patch

WholePair = tuple[Tensor, Tensor, Tensor, Tensor]  # LR (C, h, w), HR (C, s h, s w), their masks (h, w), (s h, s w)


class LrBatch(NamedTuple):
    """LR patches y (N, C, p, p) with their HR patches x, and the band of each sample, int64 (N,), where their degradations differ by it."""

    y: Tensor
    x: Tensor
    bands: Tensor | None


@dataclass(frozen=True)
class Task:
    """The data, the recipe and the machine of one training run.

    Attributes
    ----------
    reader : training patches; val : whole validation images; both in the physical unit.
    recipe, operator : what is wanted, and the degradation of the pairs.
    device : where it runs; log : who is told; clock : what time it is; interrupts : who asks to stop.
    """

    reader: MemoryReader
    val: Sequence[WholePair]
    recipe: Recipe
    operator: Operator
    device: str
    log: Log
    clock: Clock = field(default_factory=SystemClock)
    interrupts: Interrupts = field(default_factory=Interrupts)
    mean: float = field(init=False)
    std: float = field(init=False)

    def __post_init__(self) -> None:
        mean, std = self.reader.normalisation()
        object.__setattr__(self, "mean", float(mean))
        object.__setattr__(self, "std", float(std) or 1.0)

    @property
    def upscaled(self) -> bool:
        """Whether training patches are on the HR grid: the input upscaled already."""
        return self.recipe.patches.grid == "hr"

    @cached_property
    def precision(self) -> torch.dtype:
        """The type of the convolutions; everything else is float32."""
        return choose_precision(self.recipe.training.precision, self.device)

    @cached_property
    def fingerprint(self) -> Digest:
        """Hash of what decides the result, so that no checkpoint of another run is taken up."""
        body = [
            VERSION, self.recipe.digest(), self.operator.digest(), self.mean, self.std, len(self.reader),
            [list(hr.shape) for _, hr, _, _ in self.val], self.device, str(self.precision),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(body).encode()).hexdigest()

    def network(self, family: str, spread: bool) -> SRNet:
        """Build the run's network, or the linear filter, on its device; weights as drawn from the recipe's seed."""
        seed = self.stream("first weights").initial_seed()
        taps = self.recipe.network.linear_taps
        descriptor = linear_descriptor(self.operator, taps) if family == "linear" else self._descriptor(spread)
        net = build(descriptor, seed)
        return net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def stream(self, *names: str) -> torch.Generator:
        """Give a named random stream of the recipe's seed."""
        return stream(self.recipe.seed, *names)

    def autocast(self) -> AbstractContextManager[None]:
        """Give the context for a forward pass; gradients, loss and optimiser stay outside."""
        low = self.precision != torch.float32
        return torch.autocast(torch.device(self.device).type, dtype=self.precision if low else torch.bfloat16, enabled=low)

    def normalised(self, x: Tensor) -> Tensor:
        """Turn pixels (..., C, H, W) from physical units into the network's, on its device; a batch has its channels last."""
        scaled = (x.float().to(self.device) - self.mean) / self.std
        return scaled.contiguous(memory_format=torch.channels_last) if scaled.ndim == 4 else scaled

    def training_pairs(self) -> list[WholePair]:
        """Read the whole training images."""
        return whole_pairs(self.reader.store, "train")

    def lr_batch(self, generator: torch.Generator, size: int) -> LrBatch:
        """Draw LR patches with their HR patches, in physical units, whatever the grid of the store."""
        if self.upscaled:
            y, x, bands = self._crops.batch(generator, size)
        else:
            bands = self.reader.next_bands(generator, size)
            y, x = self.reader.batch(generator, size)
        different = self.operator.bands if self.recipe.network.bands == "band-wise" else None
        return LrBatch(y, x, bands % different if different else None)

    @cached_property
    def projected(self) -> bool:
        """Whether patches are projected onto the measurement, as results will be.

        An operator that sees whole images projects whole images only: then the spread is learned before the projection, and calibration,
        on whole images, sees it after.
        """
        return self.operator.invertible and self.operator.windowed

    def delivered(self, mean: Tensor, batch: LrBatch) -> Tensor:
        """Give what a user gets from the mean of a batch (physical units): projected where that is possible."""
        if not self.projected:
            return mean
        store, y = self.reader.store, batch.y
        if batch.bands is None:
            return self.operator.project(mean, y, store.valid_range, store.encoding.step)
        made = torch.empty_like(mean)
        for operator, mine in self.by_band(batch):
            made[mine] = operator.project(mean[mine], y[mine], store.valid_range, store.encoding.step)
        return made

    def by_band(self, batch: LrBatch) -> Iterator[tuple[Operator, Tensor]]:
        """Give each operator that degraded samples of a batch, with those samples: bool (N,), on the device."""
        if batch.bands is None:
            yield self.operator, torch.ones(len(batch.y), dtype=torch.bool, device=batch.y.device)
            return
        for band in sorted(set(batch.bands.tolist())):
            yield self.operator.for_bands(self.operator.bands or 1)[band], (batch.bands == band).to(batch.y.device)

    def interior(self, patch: Tensor) -> tuple[slice, slice]:
        """Give the rows and columns of an HR patch that its border does not reach (at least the middle half)."""
        scale = self.operator.scale[0]
        if not self.operator.windowed:  # nothing is degraded or projected patch by patch
            return slice(None), slice(None)
        reach = -(-self.operator.support // scale) + (self.operator.pinv_halo(RESPONSE) if self.projected else 0)
        rows, cols = (min(scale * reach, side // 4) for side in patch.shape[-2:])
        return slice(rows, patch.shape[-2] - rows), slice(cols, patch.shape[-1] - cols)

    @cached_property
    def _crops(self) -> Crops:
        bandwise = self.recipe.network.bands == "band-wise"
        return Crops(
            self.training_pairs(), self.operator.scale[0], self.recipe.patches.size, bandwise, self.device, self.reader.symmetries
        )  # fmt: skip

    def _descriptor(self, spread: bool) -> Descriptor:
        plan = self.recipe.network
        bandwise = plan.bands == "band-wise"
        return Descriptor(
            family=plan.family,
            scale=self.operator.scale[0],
            channels=1 if bandwise else len(self.reader.store.bands),
            bandwise=bandwise,
            width=plan.width,
            blocks=plan.blocks,
            narrow=plan.narrow,
            middle=plan.middle,
            growth=plan.growth,
            residual_scale=plan.residual_scale,
            base="operator" if self.upscaled else plan.base,
            linear_taps=plan.linear_taps,
            operator=self.operator.to_json(),
            spread=spread,
        )
