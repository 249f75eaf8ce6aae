from __future__ import annotations

import pytest
from pydantic import ValidationError

from sr_core.networks import Descriptor


def test_survives_the_file() -> None:
    descriptor = Descriptor(family="srcnn", scale=3, channels=4, bandwise=False, width=64, blocks=1, operator="{}", spread=True)
    assert Descriptor.from_json(descriptor.to_json(), "here") == descriptor


@pytest.mark.parametrize("wrong", [{"channels": 3}, {"linear_taps": 8}, {"family": "gan"}, {"scale": 1}, {"widht": 64}])
def test_contradictions_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Descriptor.model_validate({"family": "edsr", "scale": 2, "operator": "{}"} | wrong)
