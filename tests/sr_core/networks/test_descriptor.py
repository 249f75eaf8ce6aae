from __future__ import annotations

import pytest
from pydantic import ValidationError

from sr_core.bundle import weights_hash
from sr_core.networks import Descriptor, build
from sr_core.operators import make_operator

# As bundles held them before there were other families than EDSR, SRCNN and the filter.
OLD_SRCNN = """{
 "bandwise": true,
 "base": "linear",
 "blocks": 1,
 "channels": 1,
 "family": "srcnn",
 "linear_taps": 9,
 "operator": "{}",
 "scale": 2,
 "schema": 1,
 "spread": true,
 "width": 9
}
"""
OLD_EDSR = """{
 "bandwise": false,
 "base": "operator",
 "blocks": 16,
 "channels": 4,
 "family": "edsr",
 "linear_taps": 7,
 "operator": "{}",
 "scale": 3,
 "schema": 1,
 "spread": false,
 "width": 64
}
"""


def test_survives_the_file() -> None:
    descriptor = Descriptor(family="srcnn", scale=3, channels=4, bandwise=False, width=64, blocks=1, operator="{}", spread=True)
    assert Descriptor.from_json(descriptor.to_json(), "here") == descriptor


def test_an_old_descriptor_means_what_it_meant() -> None:
    srcnn = Descriptor.from_json(OLD_SRCNN, "here")
    assert srcnn == Descriptor(family="srcnn", scale=2, width=9, narrow=4, middle=1, blocks=1, operator="{}", spread=True)
    edsr = Descriptor.from_json(OLD_EDSR, "here")
    assert (edsr.width, edsr.blocks, edsr.residual_scale, edsr.linear_taps) == (64, 16, 1.0, 7)
    assert (edsr.scale, edsr.channels, edsr.bandwise, edsr.base, edsr.spread) == (3, 4, False, "operator", False)


@pytest.mark.parametrize(("old", "weights"), [(OLD_SRCNN, "d1c835648aa76780"), (OLD_EDSR, "b96b80a525a95d1a")], ids=["srcnn", "edsr"])
def test_an_old_descriptor_builds_the_network_it_built(old: str, weights: str) -> None:
    """Names, shapes and first weights by value, as built before: a bundle's weights find their places."""
    descriptor = Descriptor.from_json(old, "here")
    operator = make_operator("bicubic", descriptor.scale).to_json()
    net = build(descriptor.model_copy(update={"operator": operator}), seed=3)
    assert weights_hash(net.state_dict())[:16] == weights


@pytest.mark.parametrize("wrong", [{"channels": 3}, {"linear_taps": 8}, {"family": "gan"}, {"scale": 1}, {"widht": 64}])
def test_contradictions_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Descriptor.model_validate({"family": "edsr", "scale": 2, "operator": "{}"} | wrong)
