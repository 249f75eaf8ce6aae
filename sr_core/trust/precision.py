"""What a shortened number format costs a model, measured on images with known truth, and whether the model may be run in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from sr_core.metrics.protocol import Protocol
from sr_core.records import Digest, Record, SplitName

PRECISION = "precision.json"
FULL = "float32"
Precision = Literal["float32", "bfloat16", "float16"]


class Limits(Record):
    """What a shortened format may cost beside float32.

    Attributes
    ----------
    mean_loss_db : PSNR lost, mean over groups: a hundredth of what one would call a difference between two models.
    group_loss_db : PSNR lost in any one group.
    steps, range_share : largest change of a written value, in quantisation steps or as a share of the data range: the larger counts.
    """

    mean_loss_db: float = 0.01
    group_loss_db: float = 0.05
    steps: float = 2.0
    range_share: float = 0.01

    def largest(self, protocol: Protocol) -> float:
        """Give the largest change that is allowed, in the image's unit."""
        return max(self.steps * protocol.step, self.range_share * protocol.data_range)


class GroupCost(Record):
    """One group in a shortened format beside itself in float32, both as they would stand in the file.

    Attributes
    ----------
    group : pseudonym (within one group: the name of a region); regions : how many were measured.
    values : written values that were compared; changed : how many of them differ.
    psnr_db : float32 against the truth, mean over regions; loss_db : that, less the same of the shortened format.
    largest : largest difference, in the image's unit; infinite where the format gave values that are not finite.
    """

    group: str
    regions: int
    values: int
    changed: int
    psnr_db: float
    loss_db: float
    largest: float

    @property
    def changed_share(self) -> float:
        """Share of the written values that differ."""
        return self.changed / self.values


class Cost(Record):
    """A shortened format on all groups, and why it is refused (nothing: it is allowed)."""

    precision: Precision
    groups: tuple[GroupCost, ...]
    reasons: tuple[str, ...]

    @property
    def allowed(self) -> bool:
        """Whether the model may be run in it."""
        return not self.reasons

    @property
    def mean_loss_db(self) -> float:
        """PSNR lost, mean over groups."""
        return sum(g.loss_db for g in self.groups) / len(self.groups)

    @property
    def largest(self) -> float:
        """Largest difference in any group, in the image's unit."""
        return max(g.largest for g in self.groups)

    @property
    def changed_share(self) -> float:
        """Share of all written values that differ."""
        return sum(g.changed for g in self.groups) / sum(g.values for g in self.groups)


def cost_of(precision: Precision, groups: Sequence[GroupCost], limits: Limits, protocol: Protocol) -> Cost:
    """Hold what was measured against the limits."""
    cost = Cost(precision=precision, groups=tuple(groups), reasons=())
    worst = max(groups, key=lambda g: g.loss_db)
    bar = limits.largest(protocol)
    reasons = []
    if not math.isfinite(cost.largest):
        reasons.append("it gives values that are not finite")
    else:
        if not cost.mean_loss_db <= limits.mean_loss_db:
            reasons.append(f"it costs {cost.mean_loss_db:.3f} dB, the mean over groups; {limits.mean_loss_db:g} are allowed")
        if not worst.loss_db <= limits.group_loss_db:
            reasons.append(f"it costs {worst.loss_db:.3f} dB on {worst.group}; {limits.group_loss_db:g} are allowed")
        if not cost.largest <= bar:
            reasons.append(f"it changes a written value by {cost.largest:.3g}; {bar:.3g} are allowed")
    return cost.model_copy(update={"reasons": tuple(reasons)})


class PrecisionGate(Record):
    """Which number formats a model may be run in, beside its weights as `precision.json`.

    Attributes
    ----------
    weights : the network that was measured; the record holds for no other.
    device : "cpu" or "cuda", on which it was measured. A refusal holds everywhere: it is the format that loses, not the device.
    split : the part of the data that the groups are of; one_group marks regions of one group, which stand for groups here.
    unit, protocol : of all figures. limits : what was allowed.
    """

    weights: Digest
    device: str
    split: SplitName
    group_kind: str
    one_group: bool
    unit: str
    protocol: Protocol
    limits: Limits
    costs: tuple[Cost, ...]

    def refused(self, weights: Digest) -> tuple[str, ...]:
        """Give the formats that a network with these weights may not be run in by choice of the program."""
        return tuple(c.precision for c in self.costs if not c.allowed) if weights == self.weights else ()

    def steps(self, difference: float) -> float | None:
        """Give a difference in quantisation steps; None for floating-point files."""
        return difference / self.protocol.step if self.protocol.step else None

    def says(self) -> tuple[str, ...]:
        """Say what each format costs and whether it is allowed, a sentence each."""
        return tuple(self._says(cost) for cost in self.costs)

    def _says(self, cost: Cost) -> str:
        steps = self.steps(cost.largest)
        change = f"{cost.largest:.2g} {self.unit}" + ("" if steps is None else f" ({steps:.1f} steps)")
        regions, groups = sum(g.regions for g in cost.groups), 1 if self.one_group else len(cost.groups)
        figures = (
            f"{cost.mean_loss_db:+.4f} dB lost, largest change {change}, {100 * cost.changed_share:.3g} % of written values changed; "
            f"{_count(regions, f'{self.split} region')} of {_count(groups, self.group_kind)}, on {self.device}"
        )
        verdict = "allowed" if cost.allowed else f"refused, because {'; '.join(cost.reasons)}"
        return f"{cost.precision} beside float32: {verdict} ({figures})."


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("s" if number != 1 else "")


def load_gate(folder: Path) -> PrecisionGate | None:
    """Read the record of a bundle folder; None where nothing was measured.

    Raises
    ------
    StoreError
        If the file is damaged or of a newer schema.
    """
    path = folder / PRECISION
    return PrecisionGate.from_json(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else None
