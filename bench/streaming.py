"""Row streaming beside the whole image and tiles of 256: speed at one thread, peak memory, and equality; and beside what peers run.

CPU time of one thread, in one process, in turn, medians. `peer` is EDSR-baseline as it is usually run: float32, NCHW, the whole image,
the mean alone. Memory is what a process takes beyond its start, in a child process each, for a 1024 x 1024 LR image.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import Tensor

from sr_core.inference.predictor import fed_rows
from sr_core.inference.stream import NetFlow
from sr_core.inference.tiles import tiles
from sr_core.networks import Descriptor, SRNet, build
from sr_core.operators import make_operator

FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SMALL, BASELINE = (32, 8), (64, 16)  # feature maps, blocks
MEMORY_SIDE = 1024


def network(width: int, blocks: int) -> SRNet:
    """Make a network whose every weight is random."""
    text = make_operator("bicubic", 2).to_json()
    net = build(Descriptor(family="edsr", scale=2, width=width, blocks=blocks, base="operator", operator=text)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(std=0.05, generator=generator)
    return net


def whole(net: SRNet, y: Tensor, precision: torch.dtype) -> Tensor:
    """Run the network on the image at once."""
    with ExitStack() as stack:
        if precision != torch.float32:
            stack.enter_context(torch.autocast("cpu", dtype=precision))
        return net(y)  # type: ignore[no-any-return]


def tiled(net: SRNet, y: Tensor, precision: torch.dtype, size: int = 256) -> Tensor:
    """Run it in tiles with their halo."""
    out = y.new_empty(1, 1, 2 * y.shape[2], 2 * y.shape[3])
    for tile in tiles(y.shape[2], y.shape[3], size, net.halo):
        rows, cols = tile.window.slices()
        part = whole(net, y[..., rows, cols].contiguous(memory_format=torch.channels_last), precision)
        out[..., *tile.core.scaled(2).slices()] = part[..., *tile.inner.scaled(2).slices()]
    return out


def streamed(net: SRNet, y: Tensor, precision: torch.dtype) -> Tensor:
    """Run it row by row."""
    out, done = y.new_empty(1, 1, 2 * y.shape[2], 2 * y.shape[3]), 0
    flow, height = NetFlow(net, precision, spread=False), y.shape[2]
    for row in range(0, height, step := fed_rows(y.shape[3])):
        mean, _ = flow.feed(y[:, :, row : row + step], row + step >= height)
        out[:, :, done : done + mean.shape[2]] = mean
        done += mean.shape[2]
    return out


WAYS: dict[str, Callable[[SRNet, Tensor, torch.dtype], Tensor]] = {"whole": whole, "tiles": tiled, "rows": streamed}


def speeds(shape: tuple[int, int], side: int, rounds: int) -> dict[str, float]:
    """Give CPU seconds of every way in both formats, and the largest difference of rows to whole."""
    net = network(*shape).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    y = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(1))
    seconds: dict[str, list[float]] = {}
    values: dict[str, float] = {}
    for _ in range(rounds):
        for name, precision in FORMATS.items():
            made = {}
            for way, run in WAYS.items():
                start = time.process_time()
                made[way] = run(net, y, precision)
                seconds.setdefault(f"{name}_{way}", []).append(time.process_time() - start)
            values[f"{name}_difference"] = float((made["rows"] - made["whole"]).abs().max())
    return values | {key: statistics.median(each) for key, each in seconds.items()}


def peer_seconds(side: int, rounds: int) -> tuple[float, float]:
    """Give CPU seconds of EDSR-baseline in float32, NCHW, at once, and of our bfloat16 rows."""
    net, y = network(*BASELINE), torch.randn(1, 1, side, side)
    ours = network(*BASELINE).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for run, kept in ((lambda: whole(net, y, torch.float32), times[0]), (lambda: streamed(ours, y, torch.bfloat16), times[1])):
            start = time.process_time()
            run()
            kept.append(time.process_time() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def memory(way: str, precision: str) -> None:
    """Print the bytes that a run takes beyond what the process held before it."""
    net = network(*BASELINE).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    y = torch.randn(1, 1, MEMORY_SIDE, MEMORY_SIDE)
    WAYS[way](net, y[..., :96, :96], FORMATS[precision])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    WAYS[way](net, y, FORMATS[precision])
    print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=768)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--what", choices=("small", "baseline", "peer", "memory"), default="small")
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with torch.inference_mode():
        if given.memory:
            return memory(*given.memory)
        values: dict[str, float] = {}
        if given.what in ("small", "baseline"):
            values = speeds(SMALL if given.what == "small" else BASELINE, given.side, given.rounds)
            for name in FORMATS:
                rows = values[f"{name}_rows"]
                values |= {f"{name}_over_whole": values[f"{name}_whole"] / rows, f"{name}_over_tiles": values[f"{name}_tiles"] / rows}
            values["bfloat16_rows_over_float32_whole"] = values["float32_whole"] / values["bfloat16_rows"]
        elif given.what == "peer":
            peer, ours = peer_seconds(given.side, given.rounds)
            values = {"peer_cpu_s": peer, "ours_cpu_s": ours, "speedup": peer / ours}
        else:
            for way in ("whole", "rows"):
                command = [sys.executable, __file__, "--memory", way, "bfloat16"]
                values[f"{way}_bytes"] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            values["share"] = values["rows_bytes"] / values["whole_bytes"]
    print(json.dumps(values))


if __name__ == "__main__":
    main()
