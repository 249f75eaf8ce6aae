"""The precision gate: a bundle in float32 beside itself in shortened number formats, on regions whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sr_core.domain import Domain
from sr_core.errors import BundleError
from sr_core.log import Log
from sr_core.raster import Float32Array
from sr_core.records import Manifest, Region, SplitName
from sr_core.stages.evidence import protocol_of
from sr_core.stages.regions import Pair, read_pair
from sr_core.stages.restore import Restorer
from sr_core.trust.precision import FULL, PRECISION, GroupCost, Limits, Precision, PrecisionGate, cost_of
from sr_core.workspace import write_atomic

if TYPE_CHECKING:
    from sr_core.metrics.protocol import Protocol

MOST = 24  # regions measured, so that the gate stays cheap beside an evaluation of many slices


def formats_of(device: str) -> tuple[Precision, ...]:
    """Give the shortened formats that a device computes in."""
    return ("bfloat16", "float16") if device.startswith("cuda") else ("bfloat16",)


def format_to_choose(device: str) -> tuple[Precision, ...]:
    """Give the shortened format that the program would choose by itself on a device, or none."""
    from sr_core.networks.precision import bfloat16_gains

    return ("bfloat16",) if bfloat16_gains(device) else ()


def measure_precision(
    domain: Domain,
    manifest: Manifest,
    split: SplitName,
    folder: Path,
    precisions: Sequence[Precision],
    *,
    log: Log,
    device: str | None = None,
    limits: Limits | None = None,
) -> PrecisionGate:
    """Run a bundle in several number formats on a part of a split and hold them against float32.

    Parameters
    ----------
    manifest : names the regions; at most 24 of them, from all groups in turn, are measured.
    folder : a bundle.
    precisions : the shortened formats.
    device : "cpu", "cuda"; None: the one that inference takes.

    Raises
    ------
    InputError
        If a region cannot be read, or a format is not one of the device's.
    """
    meter = PrecisionMeter(folder, precisions, device)
    regions = in_turn(manifest.split.part(split))
    for done, region in enumerate(regions):
        log.progress("measuring precision", done, len(regions))
        meter.add(region, read_pair(domain, manifest, region, meter.full.operator, meter.full.card.noise))
    log.progress("measuring precision", len(regions), len(regions))
    return meter.gate(split, domain.group_kind, limits or Limits())


def save_gate(folder: Path, gate: PrecisionGate, log: Log, stage: str) -> None:
    """Write the record into a folder and say what it says."""
    write_atomic(folder / PRECISION, gate.to_json().encode())
    for sentence in gate.says():
        log.say(f"{stage}: {sentence}")


def in_turn(regions: Sequence[Region], most: int = MOST) -> tuple[Region, ...]:
    """Take at most so many regions, one of each group before a second of any; in the given order within a group."""
    ranks: dict[str, int] = {}
    ranked = []
    for place, region in enumerate(regions):
        rank = ranks.get(region.group.id, 0)
        ranks[region.group.id] = rank + 1
        ranked.append((rank, place, region))
    return tuple(region for _, _, region in sorted(ranked, key=lambda r: r[:2])[:most])


@dataclass(frozen=True)
class _Change:
    """A region in a shortened format beside float32."""

    psnr_db: float
    loss_db: float
    largest: float
    values: int
    changed: int


class PrecisionMeter:
    """Compares a bundle with itself, region by region.

    Parameters
    ----------
    folder : a bundle.
    precisions : shortened formats.
    device : None: the one that inference takes.
    """

    def __init__(self, folder: Path, precisions: Sequence[Precision], device: str | None = None) -> None:
        self.full = Restorer(folder, FULL, device)
        self.others: dict[Precision, Restorer] = {p: Restorer(folder, p, device) for p in precisions}
        self.protocol = protocol_of(self.full)
        self._one_group = False
        self._changes: dict[Precision, dict[str, list[_Change]]] = {p: {} for p in precisions}

    def add(self, region: Region, pair: Pair, known: Mapping[str, Float32Array] | None = None) -> None:
        """Measure a region.

        Parameters
        ----------
        known : SR images of this region, (C, s h, s w) in the physical unit, by the precision in which the bundle made them already.
        """
        known = known or {}
        self._one_group |= region.one_group
        key = region.name if region.one_group else region.group.id
        reference = known[FULL] if FULL in known else self.full.restore(pair.lr.pixels, pair.lr.mask).sr
        for precision, restorer in self.others.items():
            image = known.get(precision)
            try:
                image = restorer.restore(pair.lr.pixels, pair.lr.mask).sr if image is None else image
            except BundleError:  # float32 went through, so it is the format: values that are not finite
                image = np.full_like(reference, np.nan)
            self._changes[precision].setdefault(key, []).append(_change(pair, reference, image, self.protocol))

    def gate(self, split: SplitName, group_kind: str, limits: Limits) -> PrecisionGate:
        """Give the record of all that was measured."""
        costs = (cost_of(p, [_sum(g, c) for g, c in by_group.items()], limits, self.protocol) for p, by_group in self._changes.items())
        return PrecisionGate(
            weights=self.full.bundle.weights_hash,
            device=self.full.device.split(":")[0],
            split=split,
            group_kind=group_kind,
            one_group=self._one_group,
            unit=self.full.card.unit,
            protocol=self.protocol,
            limits=limits,
            costs=tuple(costs),
        )


def _change(pair: Pair, reference: Float32Array, image: Float32Array, protocol: Protocol) -> _Change:
    """Compare two images as a file would hold them, on usable pixels."""
    from sr_core.metrics import psnr

    mask = pair.hr.mask
    whole = pair.encoding.encode(reference)
    before = pair.encoding.decode(whole)
    psnr_db = psnr(before, pair.hr.pixels, protocol, mask)
    values = int(mask.sum()) * len(image)
    if not np.isfinite(image[:, mask]).all():
        return _Change(psnr_db, math.inf, math.inf, values, values)
    short = pair.encoding.encode(image)
    after = pair.encoding.decode(short)
    other_db = psnr(after, pair.hr.pixels, protocol, mask)
    loss = 0.0 if psnr_db == other_db else psnr_db - other_db  # two perfect images: inf - inf would be NaN
    largest = float(np.abs(after[:, mask].astype(np.float64) - before[:, mask]).max())
    return _Change(psnr_db, loss, largest, values, int((short != whole)[:, mask].sum()))


def _sum(group: str, changes: Sequence[_Change]) -> GroupCost:
    return GroupCost(
        group=group,
        regions=len(changes),
        values=sum(c.values for c in changes),
        changed=sum(c.changed for c in changes),
        psnr_db=sum(c.psnr_db for c in changes) / len(changes),
        loss_db=sum(c.loss_db for c in changes) / len(changes),
        largest=max(c.largest for c in changes),
    )
