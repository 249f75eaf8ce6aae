"""Batches from several stores at once: a domain's own patches with general ones, or one network's patches at several scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sr_core.errors import StoreError
from sr_core.patches.readers_base import Reader, patch_shape


@dataclass(frozen=True)
class Part:
    """A reader and its share of every batch, 0..1; pixels become gain * x + offset, to be in the own reader's unit and contrast."""

    reader: Reader
    share: float
    gain: float = 1.0
    offset: float = 0.0


class Mixture:
    """Draws each batch partly from a reader of one's own and partly from others.

    Parameters
    ----------
    own : gives what the others leave of a batch, at least one pair.
    others : with their shares, below 1 in all.

    Raises
    ------
    StoreError
        If patches differ in size or, joint, in bands, so that they cannot stand in one batch, or nothing is left for `own`.
    """

    def __init__(self, own: Reader, others: Sequence[Part]) -> None:
        if not 0 <= sum(part.share for part in others) < 1:
            raise StoreError("other patches for whole batches", "shares below 1 in all", "Lower adaptation.general_share.")
        for part in others:
            _check(own, part.reader)
        self.own, self.others = own, tuple(others)

    def batch(self, generator: torch.Generator, size: int) -> tuple[Tensor, Tensor]:
        """Draw `size` pairs as `Reader.batch` does, the own ones first; each part's number is rounded, and own gets at least one."""
        counts = [round(part.share * size) for part in self.others]
        while sum(counts) >= size:
            counts[counts.index(max(counts))] -= 1
        lows, highs = self.own.batch(generator, size - sum(counts))
        parts = [(lows, highs)]
        for part, count in zip(self.others, counts, strict=True):
            if count:
                y, x = part.reader.batch(generator, count)
                parts.append((part.gain * y + part.offset, part.gain * x + part.offset))
        return torch.cat([y for y, _ in parts]), torch.cat([x for _, x in parts])


def _check(own: Reader, other: Reader) -> None:
    if (own.sides, own.finer) != (other.sides, other.finer) or own.bandwise != other.bandwise:
        raise StoreError(
            f"patches of {other.sides} pixels, finer by {other.finer}, beside patches of {own.sides}, finer by {own.finer}",
            "patches of one size and grid", "Prepare both with the same recipe.",
        )  # fmt: skip
    if own.bandwise:
        return
    have, want = (patch_shape(reader.store, reader.split)[0][0] for reader in (other, own))
    if have != want:
        raise StoreError(
            f"patches of {have} bands beside patches of {want} for a network of joint bands", "as many bands",
            "Train band-wise (network.bands=band-wise), or leave the other images out.",
        )  # fmt: skip
