"""Batches from several stores at once: a domain's own patches with general ones, or one network's patches at several scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sr_core.errors import StoreError
from sr_core.patches.readers_base import ALL, Reader, draw, patch_shape


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

    def batch(self, generator: torch.Generator, size: int, part: slice = ALL) -> tuple[Tensor, Tensor]:
        """Draw `size` pairs as `Reader.batch` does, and read a part of them.

        The own ones come first; each other reader's number is rounded, and own gets at least one.
        """
        counts = [round(other.share * size) for other in self.others]
        while sum(counts) >= size:
            counts[counts.index(max(counts))] -= 1
        first, last, _ = part.indices(size)
        made, start = [], 0
        for one, count in zip((Part(self.own, 1.0), *self.others), (size - sum(counts), *counts), strict=True):
            wanted = slice(max(first - start, 0), min(max(last - start, 0), count))
            if wanted.start < wanted.stop:
                y, x = one.reader.batch(generator, count, part=wanted)
                made.append((one.gain * y + one.offset, one.gain * x + one.offset))
            else:
                draw(generator, count, len(one.reader))  # another process reads them; the stream goes on alike in all
            start += count
        return torch.cat([y for y, _ in made]), torch.cat([x for _, x in made])


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
