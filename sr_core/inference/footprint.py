"""What a network takes: how often it runs, how many pixels it computes, how much memory it holds. Everything follows from its blocks.

A forecast asks here and nowhere else how images are computed; an executor that cuts them in another way changes this file with itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sr_core.inference.predictor import WHOLE, Predictor
from sr_core.inference.tiles import tiles
from sr_core.networks import SRNet
from sr_core.networks.blocks import (
    Activation,
    Add,
    Block,
    Concat,
    Conv,
    FixedConv,
    LeakyReLU,
    PReLU,
    Repeat,
    Scale,
    Sequence,
    Shuffle,
    TransposedConv,
    Upscale,
)

FLOAT32 = 4  # bytes
WIDE = {"softplus": 5}  # values that an activation holds at once, where it is more than its input and its output


@dataclass(frozen=True)
class Work:
    """What `Predictor.predict` does with an image.

    Attributes
    ----------
    executor : "whole" or "tiles".
    passes : how often the network runs.
    pixels : LR pixels that it computes in all runs, halos included.
    largest : LR pixels of its largest run.
    """

    executor: str
    passes: int
    pixels: int
    largest: int


def work(predictor: Predictor, channels: int, height: int, width: int) -> Work:
    """Give the work of one call of `predict` on an image of (channels, height, width)."""
    longest = max(height, width)
    size = predictor.tile or (longest if longest <= WHOLE else WHOLE)
    areas = [tile.window.height * tile.window.width for tile in tiles(height, width, size, predictor.halo)]
    groups = (channels if predictor.net.descriptor.bandwise else 1) * predictor.ensemble.runs
    return Work("whole" if len(areas) == 1 else "tiles", groups * len(areas), groups * sum(areas), max(areas))


def peak_bytes(predictor: Predictor, pixels: int) -> int:
    """Give the bytes that one run of the network on an image of so many LR pixels holds at most, its input and results included."""
    sums = predictor.net.descriptor.channels * predictor.net.descriptor.scale**2 * 2 * FLOAT32 if predictor.ensemble.runs > 1 else 0
    return int(pixels * (bytes_per_pixel(predictor.net, predictor.precision) + sums))


def bytes_per_pixel(net: SRNet, precision: torch.dtype) -> float:
    """Give the most bytes a LR pixel that are alive at one time in a run for mean and spread.

    Notes
    -----
    A block's caller holds the block's input until the block returns; a branch holds the input and what has been summed so far. The
    trunk's features are kept for the spread head. The base is float32 always.
    """
    bands, size = net.descriptor.channels, precision.itemsize
    fine = net.descriptor.scale**2
    image = bands * (1 + fine) * FLOAT32  # the normalised input and the base
    base = bands * FLOAT32 * (1 + 3 * fine + (_live(net.filter, 1)[0] if net.filter is not None else 0.0))
    if net.trunk is None or net.tail is None:
        return base + image
    in_trunk, features = _live(net.trunk, bands)
    zoom = net.trunk.zoom**2
    in_tail, _ = _live(net.tail, features)
    peaks = [in_trunk * size, features * zoom * size + base, in_tail * zoom * size]
    if net.spread_head is not None:
        peaks.append(_live(net.spread_head, features)[0] * zoom * size + bands * fine * FLOAT32)
    return max(peaks) + image


def _live(block: Block, inputs: int) -> tuple[float, int]:
    """Give the most values an input pixel that are alive while a block runs, its input and output included, and its output's maps."""
    match block:
        case Conv():
            outputs = int(block.weight.shape[0])
            return inputs + outputs, outputs
        case FixedConv():
            outputs = int(block.weight.shape[0])
            return 3 * inputs + outputs, outputs  # mirrored along one axis, then along the other
        case Shuffle():
            outputs = inputs // block.zoom**2
            return 2 * inputs, outputs
        case Upscale():
            return inputs * (1 + block.zoom + block.zoom**2), inputs
        case TransposedConv():
            outputs = int(block.weight.shape[1])
            return inputs + 2 * outputs * block.zoom**2, outputs  # the sub-pixels, and what a shuffle makes of them
        case Repeat():
            return inputs * (1 + block.zoom**2), inputs
        case LeakyReLU() | PReLU() | Scale():
            return 2 * inputs, inputs
        case Activation():
            return WIDE.get(block.kind, 2) * inputs, inputs
        case Sequence():
            return _live_in_sequence(block, inputs)
        case Add() | Concat():
            return _live_in_parallel(block, inputs)
        case _:
            raise TypeError(f"{type(block).__name__} is a kind of block whose memory is not known")


def _live_in_sequence(block: Sequence, inputs: int) -> tuple[float, int]:
    peak, maps, zoom = float(inputs), inputs, 1
    for number, step in enumerate(block.steps()):
        live, maps = _live(step, maps)
        peak = max(peak, live * zoom**2 + (inputs if number else 0))
        zoom *= step.zoom
    return peak, maps


def _live_in_parallel(block: Add | Concat, inputs: int) -> tuple[float, int]:
    peak, held, outputs = 0.0, 0.0, 0
    for step in block.steps():
        live, maps = _live(step, inputs)
        result = 0 if isinstance(step, Sequence) and not step.steps() else maps * block.zoom**2  # the identity gives what it is given
        peak = max(peak, held + live)
        held += result
        outputs = outputs + maps if isinstance(block, Concat) else maps
    return max(peak, inputs + held + outputs * block.zoom**2), outputs
