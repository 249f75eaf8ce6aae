"""The named sensors: blur by the published value of each band, and images of other bands refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from domains.satellite.domain import DOMAIN
from sr_core.errors import ShapeError
from sr_core.operators import BandwiseOperator, SeparableOperator, make_operator

# sigma in LR px of the bands B2, B3, B4, B8: sqrt(-2 ln M) / pi for M = 0.26, 0.28, 0.24, 0.26.
SIGMA_LR = [0.5225, 0.5079, 0.5378, 0.5225]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_sentinel2_has_the_published_blur_of_each_band(scale: int) -> None:
    operator = DOMAIN.operators()["mtf-sentinel2-10m"](scale)
    assert isinstance(operator, BandwiseOperator) and operator.bands == 4
    for member, sigma in zip(operator.members, SIGMA_LR, strict=True):
        for factor in (member.rows, member.cols):
            taps = np.array(factor.taps)
            place = np.arange(len(taps)) - (len(taps) - 1) / 2
            measured = math.sqrt(float((taps * place**2).sum())) / scale  # cut off at 4 sigma: a little less
            assert measured == pytest.approx(sigma, rel=0.005)


def test_sentinel2_takes_its_four_bands_only() -> None:
    operator = DOMAIN.operators()["mtf-sentinel2-10m"](2)
    for bands in (1, 3, 6):
        with pytest.raises(ShapeError, match=f"{bands}, 8, 8.*; expected 4 bands"):
            operator.apply(torch.zeros(bands, 8, 8))
    assert "0.26, 0.28, 0.24 and 0.26 (band by band)" in operator.describe()


def test_landsat_takes_any_bands() -> None:
    operator = DOMAIN.operators()["mtf-landsat-oli"](2)
    assert isinstance(operator, SeparableOperator) and operator == make_operator("mtf", 2, value=0.3)


def test_the_default_is_what_it_was() -> None:
    assert next(iter(DOMAIN.operators())) == DOMAIN.recipe().operator == "bicubic"
    assert DOMAIN.operators()["mtf"](2).to_json() == make_operator("mtf", 2, value=0.25).to_json()
