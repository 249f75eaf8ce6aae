"""Stored half-widths come back as they were, up to a code, and never narrower."""

from __future__ import annotations

import numpy as np
import pytest

from domains.satellite.interval import half_width_rows, half_widths, interval_encoding
from sr_core.raster import Encoding


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_half_widths_come_back(dtype: str) -> None:
    encoding = interval_encoding(Encoding(dtype, 1e-4) if dtype != "float32" else Encoding.of("float32"))
    given = np.random.default_rng(0).uniform(1e-4, 2e-3, (2, 5, 7)).astype(np.float32)
    given[0, 1, 2] = np.nan
    mask = np.ones((5, 7), bool)
    mask[4] = False
    rows = half_width_rows(encoding, given, mask)
    back = half_widths(encoding, rows.transpose(1, 0, 2))
    assert back.dtype == np.float32 and np.isnan(back[:, 4]).all() and np.isnan(back[0, 1, 2])
    known = mask & np.isfinite(given)
    width = encoding.step if encoding.is_integer else 0.0
    assert (back[known] >= given[known] * (1 - 1e-3)).all() and np.abs(back[known] - given[known]).max() <= width + 1e-9
