"""A parent's layers in its child: what is taken, what is adapted, and that a whole transfer changes no bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_nets import TRAINED, small

from sr_core.errors import BundleError
from sr_core.networks import Descriptor, SRNet, build
from sr_core.networks.transfer import comparable, transfer
from sr_core.operators import make_operator


def net(
    family: str = "edsr", scale: int = 2, channels: int = 1, bandwise: bool = True, seed: int = 1, kind: str = "bicubic", **sizes: Any
) -> SRNet:
    operator = make_operator(kind, scale) if kind != "mtf" else make_operator("mtf", scale, value=0.25)
    base = "operator" if family in ("srcnn", "vdsr") else "linear"
    descriptor = Descriptor(
        **small(family, **sizes), scale=scale, channels=channels, bandwise=bandwise, base=base, linear_taps=3, operator=operator.to_json()
    )
    made = build(descriptor, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():  # a trained network has no layer of zeros
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
        if made.filter is not None:
            made.set_filter(torch.randn(scale**2, 1, 3, 3, generator=generator))
    return made.eval()


def image(bands: int, side: int = 12) -> torch.Tensor:
    return torch.randn(1, bands, side, side, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize("family", TRAINED)
def test_a_child_of_the_same_form_is_its_parent_bit_for_bit(family: str) -> None:
    parent, child = net(family), net(family, seed=2)
    assert not torch.equal(parent(image(2)), child(image(2)))
    found = transfer(parent, child)
    assert found.whole and not found.fresh and not found.adapted
    assert torch.equal(parent(image(2)), child(image(2)))


def test_the_spread_head_stays_behind() -> None:
    parent, child = net(), net(seed=2)
    parent.add_spread_head(3)
    child.add_spread_head(4)
    before = [parameter.clone() for parameter in child.spread_parameters()]
    assert transfer(parent, child).whole
    assert all(torch.equal(a, b) for a, b in zip(before, child.spread_parameters(), strict=True))


@pytest.mark.parametrize("family", TRAINED)
@pytest.mark.parametrize(("have", "want"), [(3, 4), (3, 2), (4, 1)])
def test_bands_are_adapted_so_that_an_image_of_equal_bands_gives_the_same(family: str, have: int, want: int) -> None:
    parent, child = net(family, channels=have, bandwise=False), net(family, channels=want, bandwise=want == 1, seed=2)
    found = transfer(parent, child)
    assert found.adapted and not found.fresh and found.base and not found.whole
    grey = image(1)
    made, was = child.residual(grey.expand(1, want, -1, -1)), parent.residual(grey.expand(1, have, -1, -1))
    assert torch.allclose(made, was.mean(dim=1, keepdim=True).expand_as(made), atol=1e-5)


def test_a_band_wise_parent_serves_joint_bands() -> None:
    parent, child = net(), net(channels=3, bandwise=False, seed=2)
    assert transfer(parent, child).adapted
    grey = image(1)
    assert torch.allclose(child.residual(grey.expand(1, 3, -1, -1)), parent.residual(grey).expand(1, 3, -1, -1), atol=1e-5)


@pytest.mark.parametrize(("have", "want"), [(2, 3), (2, 4), (4, 2)])
def test_another_scale_takes_the_trunk_and_leaves_what_does_not_fit(have: int, want: int) -> None:
    parent, child = net(scale=have), net(scale=want, seed=2)
    last = child.tail.steps()[-1].weight.clone()  # type: ignore[union-attr]
    found = transfer(parent, child)
    assert found.fresh and not found.base and not found.whole and not found.adapted
    assert all(torch.equal(a, b) for a, b in zip(parent.trunk.parameters(), child.trunk.parameters(), strict=True))  # type: ignore[union-attr]
    assert torch.equal(last, child.tail.steps()[-1].weight)  # type: ignore[union-attr]


def test_another_degradation_keeps_the_childs_own_base() -> None:
    parent, child = net(), net(kind="mtf", seed=2)
    base = child.base(image(1)).clone()
    found = transfer(parent, child)
    assert not found.base and not found.fresh and "over a base of its own" in found.says()
    assert torch.equal(base, child.base(image(1)))
    assert torch.equal(parent.residual(image(1)), child.residual(image(1)))


@pytest.mark.parametrize(
    ("changes", "sentence"), [({"blocks": 3}, "blocks 2"), ({"width": 4}, "width 8"), ({"family": "fsrcnn"}, "family edsr")]
)
def test_another_form_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BundleError, match=sentence):
        transfer(net(), net(**changes))


def test_what_can_be_compared() -> None:
    assert comparable(net().descriptor, 2, 7)
    assert not comparable(net().descriptor, 3, 1)
    joint = net(channels=3, bandwise=False).descriptor
    assert comparable(joint, 2, 3) and not comparable(joint, 2, 4)
