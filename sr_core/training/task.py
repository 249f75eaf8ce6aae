"""What is trained on what: everything that stays the same from the first step to the last."""

from __future__ import annotations

import copy
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
from sr_core.networks.transfer import Transfer, comparable, transfer
from sr_core.operators import Operator
from sr_core.patches import Mixture, Reader, each_pair
from sr_core.recipe import Recipe
from sr_core.records import Digest
from sr_core.training.clock import Clock, SystemClock
from sr_core.training.crops import Crops
from sr_core.training.interrupts import Interrupts
from sr_core.training.parent import Parent
from sr_core.training.processes import Processes
from sr_core.training.streams import stream

VERSION = 1  # of what a checkpoint means
ALL = slice(None)
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
    processes : those that train together; each takes its part of a batch.
    parent : what a warm start goes on from, or None. Its normalisation is kept where its unit and valid range are the reader's.
    mixture : where the pixel phase draws its batches, if not from the reader alone; in the reader's unit.
    """

    reader: Reader
    val: Sequence[WholePair]
    recipe: Recipe
    operator: Operator
    device: str
    log: Log
    clock: Clock = field(default_factory=SystemClock)
    processes: Processes = field(default_factory=Processes)
    parent: Parent | None = None
    mixture: Mixture | None = None
    interrupts: Interrupts = field(default_factory=Interrupts)
    mean: float = field(init=False)
    std: float = field(init=False)

    def __post_init__(self) -> None:
        store, parent = self.reader.store, self.parent
        kept = parent is not None and parent.same_pixels(store.unit, store.valid_range)
        mean, std = (parent.mean, parent.std) if parent is not None and kept else self.reader.normalisation()
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
            *([self.parent.weights] if self.parent else []),
            *([[len(part.reader), part.share, part.gain, part.offset] for part in self.mixture.others] if self.mixture else []),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(body).encode()).hexdigest()

    def network(self, family: str, spread: bool) -> SRNet:
        """Build the run's network, or the linear filter, on its device; weights as drawn from the recipe's seed."""
        seed = self.stream("first weights").initial_seed()
        taps = self.recipe.network.linear_taps
        descriptor = linear_descriptor(self.operator, taps) if family == "linear" else self._descriptor(spread)
        net = build(descriptor, seed)
        return net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def started(self, net: SRNet) -> Transfer | None:
        """Put the parent's layers into a network of this task, in place, and say what became of them; None without a parent.

        Raises
        ------
        BundleError
            If the parent is of another family or other sizes.
        """
        return None if self.parent is None else transfer(self.parent.net, net)

    @cached_property
    def rival(self) -> SRNet | None:
        """The parent as it is, on the device, reading this task's normalised pixels; None where there is none that fits these images."""
        parent = self.parent
        if parent is None or not comparable(parent.net.descriptor, self.operator.scale[0], len(self.reader.store.bands)):
            return None
        return copy.deepcopy(parent.net).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def compiled(self, net: SRNet) -> None:
        """Have trunk and tail compiled where the recipe says so, in place: their names and weights stay. Not yet measured on a GPU."""
        for part in (net.trunk, net.tail):
            if part is not None and self.recipe.training.compile:
                part.compile()

    def stream(self, *names: str) -> torch.Generator:
        """Give a named random stream of the recipe's seed."""
        return stream(self.recipe.seed, *names)

    def autocast(self) -> AbstractContextManager[None]:
        """Give the context for a forward pass; gradients, loss and optimiser stay outside."""
        low = self.precision != torch.float32
        return torch.autocast(torch.device(self.device).type, dtype=self.precision if low else torch.bfloat16, enabled=low)

    def normalised(self, x: Tensor) -> Tensor:
        """Turn pixels (..., C, H, W) from physical units into the network's, on its device; a batch has its channels last."""
        scaled = (x.to(self.device) - self.mean) / self.std
        return scaled.contiguous(memory_format=torch.channels_last) if scaled.ndim == 4 else scaled

    def pixel_batch(self, generator: torch.Generator, size: int, part: slice = ALL) -> tuple[Tensor, Tensor]:
        """Draw patches for the pixel phase, on the store's grid, normalised; give a part of them."""
        y, x = (self.mixture or self.reader).batch(generator, size, part=part)
        return self.normalised(y), self.normalised(x)

    def training_pairs(self) -> Iterator[WholePair]:
        """Read the whole training images, one at a time."""
        return each_pair(self.reader.store, "train")

    def lr_batch(self, generator: torch.Generator, size: int, part: slice = ALL) -> LrBatch:
        """Draw LR patches with their HR patches, in physical units, whatever the grid of the store; give a part of them."""
        if self.upscaled:
            y, x, bands = self._crops.batch(generator, size, part)
        else:
            bands = self.reader.next_bands(generator, size)[part]
            y, x = self.reader.batch(generator, size, part=part)
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
            list(self.training_pairs()), self.operator.scale[0], self.recipe.patches.size, bandwise, self.device, self.reader.symmetries
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
            tail=self.recipe.spread.tail,
        )
