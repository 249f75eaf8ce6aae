"""What a network takes: how often it runs, how many pixels it computes, how much memory it holds. Everything follows from its blocks.

A forecast asks here and nowhere else how images are computed; an executor that cuts them in another way changes this file with itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from sr_core.inference.predictor import WHOLE, Executor, Predictor, fed_rows
from sr_core.inference.stream import NetFlow
from sr_core.inference.tiles import strips_of, tiles
from sr_core.networks import SRNet
from sr_core.networks.activations import Activation, LeakyReLU, PReLU, Scale
from sr_core.networks.blocks import Add, Block, Concat, Conv, FixedConv, Repeat, Sequence, Shuffle, TransposedConv, Upscale

FLOAT32 = 4  # bytes
WIDE = {"softplus": 5, "exp": 4}  # values that an activation holds at once, where it is more than its input and its output
NARROW = 16  # columns of the passage in which it is seen what is kept
RESULTS = 4  # float32 values of mean and spread a SR value of the rows fed: each group's, and all of them together


@dataclass(frozen=True)
class Work:
    """What a predictor does with an image.

    Attributes
    ----------
    executor : "whole", "rows", "strips" or "tiles".
    passes : how often the network runs; an image, or a strip of it, whose rows pass through it counts once for each group of bands.
    pixels : LR pixels that it computes in all runs, halos included.
    largest : LR pixels of its largest run; of rows, those that are fed at once.
    """

    executor: Executor
    passes: int
    pixels: int
    largest: int


@dataclass(frozen=True)
class PassageBytes:
    """What rows on their way through a network hold, all groups of bands together.

    Attributes
    ----------
    kept : bytes between two feeds.
    peak : bytes at most, while rows are fed; what is kept and the rows that come out are among them.
    """

    kept: int
    peak: int


def groups_of(predictor: Predictor, channels: int) -> int:
    """Give how many groups of bands the network takes one after the other."""
    return channels if predictor.net.descriptor.bandwise else 1


def work(predictor: Predictor, channels: int, height: int, width: int) -> Work:
    """Give the work of one call of `predict` on an image of (channels, height, width), or of its passage row by row."""
    groups, executor = groups_of(predictor, channels), predictor.executor(height, width)
    if executor == "strips":
        seen = [strip.seen.stop - strip.seen.start for strip in strips_of(width, predictor.strip or width, predictor.halo)]
        return Work("strips", groups * len(seen), groups * height * sum(seen), min(height, fed_rows(max(seen))) * max(seen))
    if executor == "rows":
        return Work("rows", groups, groups * height * width, min(height, fed_rows(width)) * width)
    longest = max(height, width)
    size = predictor.tile or (longest if longest <= WHOLE else WHOLE)
    areas = [tile.window.height * tile.window.width for tile in tiles(height, width, size, predictor.halo)]
    groups *= predictor.ensemble.runs
    return Work("whole" if len(areas) == 1 else "tiles", groups * len(areas), groups * sum(areas), max(areas))


def peak_bytes(predictor: Predictor, pixels: int) -> int:
    """Give the bytes that one run of the network on an image of so many LR pixels holds at most, its input and results included."""
    kept = 0 if predictor.ensemble.runs == 1 else 2 if predictor.spread_from == "head" else 4  # a SR value, of the runs before
    sums = predictor.net.descriptor.channels * predictor.net.descriptor.scale**2 * kept * FLOAT32
    return int(pixels * (bytes_per_pixel(predictor.net, predictor.precision) + sums))


def passage_bytes(predictor: Predictor, channels: int, width: int) -> PassageBytes:
    """Give what an image of that width (LR pixels) holds while its rows pass through the network.

    Notes
    -----
    Groups are fed one after the other: each keeps its rows, one is in work. That one holds, of the rows fed, what a run of the whole
    holds of an image, and the rows that its widest convolution kept beside them.
    """
    groups, rows, net = groups_of(predictor, channels), fed_rows(width), predictor.net
    kept = int(groups * width * kept_per_column(net, predictor.precision))
    in_work = peak_bytes(predictor, (rows + _widest(net) - 1) * width)
    made = RESULTS * FLOAT32 * channels * rows * width * net.descriptor.scale**2
    return PassageBytes(kept, kept + max(in_work, made))


@lru_cache(maxsize=8)
def kept_per_column(net: SRNet, precision: torch.dtype) -> float:
    """Give the bytes that one column of one group of bands keeps between two feeds: seen in a passage of a few columns.

    Raises
    ------
    ShapeError
        If the network has a block that cannot be computed row by row.
    """
    parameter = next(net.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    flow = NetFlow(net, precision, net.descriptor.spread)
    with torch.inference_mode():
        flow.feed(torch.zeros(1, net.descriptor.channels, 2 * net.halo + 1, NARROW, device=device), last=False)
    return flow.kept() / NARROW


def _widest(net: SRNet) -> int:
    """Give the side of the widest kernel in the part of a network that holds most."""
    parts = [net.filter] if net.trunk is None else [net.trunk, net.tail]
    blocks = [block for part in parts if part is not None for block in part.modules()]
    return max((block.side for block in blocks if isinstance(block, Conv | FixedConv)), default=1)


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
