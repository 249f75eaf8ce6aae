"""A training step of EDSR 8x32 on 16 patches of 33x33: bfloat16 channels-last against float32, CPU time, one thread, alternated."""

from __future__ import annotations

import json
import statistics
import time

import torch

from sr_core.networks import Descriptor, build
from sr_core.operators import make_operator

ROUNDS = 7


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    times: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    steps = {name: _stepper(name) for name in times}
    for step in steps.values():
        step()
    for _ in range(ROUNDS):
        for name, step in steps.items():
            start = time.process_time()
            step()
            times[name].append(time.process_time() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(json.dumps({"bf16_ratio": medians["float32"] / medians["bfloat16"], "bf16_step_s": medians["bfloat16"]}))


def _stepper(name: str):
    torch.manual_seed(1)
    operator = make_operator("bicubic", 2)
    net = build(
        Descriptor(
            family="edsr",
            scale=2,
            channels=1,
            bandwise=True,
            width=32,
            blocks=8,
            base="operator",
            linear_taps=9,
            operator=operator.to_json(),
        )
    )
    lr, target = torch.randn(16, 1, 33, 33), torch.randn(16, 1, 66, 66)
    if name == "bfloat16":
        net, lr = net.to(memory_format=torch.channels_last), lr.contiguous(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, fused=name == "bfloat16")

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=name == "bfloat16"):
            residual = net.residual(lr)
        loss = (residual.float() - target).abs().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


if __name__ == "__main__":
    main()
