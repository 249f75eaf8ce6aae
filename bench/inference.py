"""Tiled against whole: the largest difference, float32 and bfloat16, random weights of few blocks (the hardest case)."""

from __future__ import annotations

import json

import torch

from sr_core.inference.tiles import tiles
from sr_core.networks import Descriptor, build
from sr_core.operators import make_operator

SIDE, TILE = 300, 128


def main() -> None:
    """Print one JSON line."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    operator = make_operator("bicubic", 2)
    net = build(
        Descriptor(
            family="edsr",
            scale=2,
            channels=1,
            bandwise=True,
            width=32,
            blocks=2,
            base="operator",
            linear_taps=9,
            operator=operator.to_json(),
        )
    ).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    net.to(memory_format=torch.channels_last)
    y = torch.randn(1, 1, SIDE, SIDE)
    values: dict[str, float] = {}
    for name in ("float32", "bfloat16"):
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=name == "bfloat16"):
            whole = net(y)
            tiled = torch.empty_like(whole)
            for tile in tiles(SIDE, SIDE, TILE, net.halo):
                rows, cols = tile.window.slices()
                part = net(y[..., rows, cols])
                tiled[..., *tile.core.scaled(2).slices()] = part[..., *tile.inner.scaled(2).slices()]
        values[f"{name}_difference"] = float((whole - tiled).abs().max())
    print(json.dumps(values))


if __name__ == "__main__":
    main()
