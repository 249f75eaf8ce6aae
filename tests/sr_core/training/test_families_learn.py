"""Every family learns something in a few seconds: well above the interpolation it stands on, and a spread that goes with its errors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_nets import TRAINED, small

from sr_core.families import FAMILIES

LEARNT = {
    "training__steps": 80, "training__batch": 8, "training__rate": 5e-3, "training__warmup_steps": 10, "training__validate_every": 40,
    "network__base": "operator", "spread__steps": 80,
}  # fmt: skip
# dB above the base, here the plain interpolation, on an image that was not trained on; two thirds of what one run gave.
MARGINS = {"edsr": 1.7, "srcnn": 1.1, "fsrcnn": 0.8, "vdsr": 1.1, "srresnet": 1.6, "rrdb": 2.4}


@pytest.mark.parametrize("family", TRAINED)
def test_a_short_training_is_well_above_its_base(world: Any, family: str) -> None:
    sizes = {f"network__{name}": value for name, value in small(family).items()}
    grid = {"patches__grid": "hr", "patches__size": 24} if FAMILIES[family].upscaled else {}  # type: ignore[index]
    recipe = world.recipe(**LEARNT, **sizes, **grid)
    trained = world.train(recipe, "run")
    assert trained.family == family
    assert trained.val_psnr["network"] - trained.val_psnr["bicubic"] > MARGINS[family]
    losses = [point.value for point in trained.curve.points if point.name == "train/loss"]
    assert sum(losses[-5:]) / 5 < 0.9 * sum(losses[:3]) / 3

    wrong, said = world.errors(trained, recipe)
    assert 0.4 < float(said.mean() / wrong.mean()) < 2.5
    assert float(torch.corrcoef(torch.stack([said, wrong]))[0, 1]) > 0.2
