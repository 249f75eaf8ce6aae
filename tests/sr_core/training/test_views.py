"""The windows that are shown at each validation: the most contrasted ones, always the same, stretched by HR."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sr_core.panels import GAP
from sr_core.training.views import SIDE, views

SIZE = 200  # HR px a side of a test image; the windows are of 128


def image(busy: tuple[int, int], seed: int = 0, scale: int = 2) -> Any:
    """Make a quiet image with one busy square of 40 px, all usable."""
    generator = torch.Generator().manual_seed(seed)
    hr = 10 + 0.1 * torch.rand(2, SIZE, SIZE, generator=generator)
    hr[:, busy[0] : busy[0] + 40, busy[1] : busy[1] + 40] += 5 * torch.rand(2, 40, 40, generator=generator)
    lr = hr[:, ::scale, ::scale]
    return lr, hr, torch.ones(lr.shape[1:]), torch.ones(SIZE, SIZE)


def test_the_busy_place_is_shown_and_only_of_the_first_two_images() -> None:
    images = [image((150, 20), 1), image((0, 160), 2), image((0, 0), 3)]
    first, second = views(images, 2)
    assert first.hr.shape == (2, SIDE, SIDE) and first.lr.shape == (2, SIDE // 2, SIDE // 2)
    assert np.array_equal(first.hr, images[0][1][:, -SIDE:, :SIDE].numpy())  # the last window against the lower edge, the first at the left
    assert np.array_equal(second.lr.numpy(), images[1][0][:, :64, -64:].numpy())
    again = views(images, 2)
    assert all(np.array_equal(a.hr, b.hr) for a, b in zip((first, second), again, strict=True))


def test_unusable_places_are_not_chosen_and_are_black() -> None:
    lr, hr, mask_lr, mask = image((150, 20), 1)
    mask[100:] = 0
    hr[:, 100:] = float("nan")
    (view,) = views([(lr, hr, mask_lr, mask)], 2)
    assert np.isfinite(view.hr).all(axis=0).mean() >= 0.5
    shown = view.beside(np.nan_to_num(view.hr))
    assert (shown[-1, -SIDE:] == 0).all()
    assert views([(lr, hr, mask_lr, torch.zeros_like(mask))], 2) == ()


def test_small_images_are_shown_whole_and_stretched_by_hr() -> None:
    lr, hr = torch.full((1, 5, 7), 2.0), torch.linspace(0, 4, 10 * 14).reshape(1, 10, 14)
    (view,) = views([(lr, hr, torch.ones(5, 7), torch.ones(10, 14))], 2)
    shown = view.beside(hr.numpy() * 0 + 9)
    assert shown.shape == (10, 3 * 14 + 2 * GAP, 3) and shown.dtype == np.uint8
    low, high = np.percentile(hr.numpy(), (1, 99))
    assert shown[0, 0, 0] == round((2.0 - low) / (high - low) * 255) and (shown[:, 14 + GAP : 28 + GAP] == 255).all()
    assert shown[0, -14, 0] == 0 and shown[-1, -1, 0] == 255


@pytest.mark.parametrize("purpose", ["fidelity", "perceptual"])
def test_each_validation_is_shown_once_and_a_stopped_run_shows_the_same(world: Any, listen: Any, purpose: str) -> None:
    settings = {"adversarial__steps": 8, "adversarial__width": 4} if purpose == "perceptual" else {}
    recipe = world.recipe(purpose=purpose, **settings)
    whole = listen()
    world.train(recipe, "whole", whole)
    expected = [("train/window_1", 6), ("train/window_1", 12)]
    if purpose == "perceptual":
        expected += [("adversarial/window_1", 6), ("adversarial/window_1", 8)]
    assert [(name, step) for name, step, _ in whole.pictures] == expected
    assert len({pixels for _, _, pixels in whole.pictures}) == len(expected), "the network changes, so what it makes does"
    for stop_at in (11, 20):
        stopped, again = listen(stop_at), listen()
        with pytest.raises(KeyboardInterrupt):
            world.train(recipe, f"stopped-{stop_at}", stopped)
        world.train(recipe, f"stopped-{stop_at}", again)
        assert dict.fromkeys(stopped.pictures + again.pictures) == dict.fromkeys(whole.pictures), "the same bytes, replayed or not"


def test_the_detail_is_the_newest_loss_and_psnr_also_after_a_resume(world: Any, listen: Any) -> None:
    recipe, whole = world.recipe(), listen()
    trained = world.train(recipe, "whole", whole)
    values = {(point.name, point.step): point.value for point in trained.curve.points}
    by_step = whole.details[2:15]  # the pixel phase's, from step 0 to 12; the loss is known every 3 steps, PSNR every 6
    assert by_step[:3] == ["", "", ""] and by_step[3] == f"loss {values['train/loss', 3]:.4g}"
    assert by_step[7] == f"loss {values['train/loss', 6]:.4g}, {values['val/psnr_db', 6]:.2f} dB"
    assert whole.details[-1] == f"loss {values['spread/loss', 6]:.4g}"
    with pytest.raises(KeyboardInterrupt):
        world.train(recipe, "stopped", listen(12))
    again = listen()
    world.train(recipe, "stopped", again)
    assert again.details == whole.details[2 + 8 :], "it went on from step 8"
