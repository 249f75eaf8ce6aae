"""The six figures of the SRCNN journal table: a made-up picture, and Set5 where it is present.

`set5_bicubic.json` and the made-up picture's values were computed by an independent program whose resize equals MATLAB's files bit for
bit; PUBLISHED is the printed table (TPAMI 38, 2016).
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from sr_core.metrics import Protocol, ifc, srcnn_pair, srcnn_six
from sr_core.operators.matlab import resize, u8

PER_IMAGE: dict[str, dict[str, list[float]]] = json.loads(Path(__file__).with_name("set5_bicubic.json").read_text())
COLUMNS = ("psnr", "ssim", "ifc", "nqm", "wpsnr", "msssim")
HALF_DIGIT = np.array([5e-5, 5e-7, 5e-5, 5e-5, 5e-5, 5e-7]) * 1.02  # of the golden values
PUBLISHED = {
    2: ("33.66", "0.9299", "6.10", "36.73", "50.06", "0.9915"),
    3: ("30.39", "0.8682", "3.52", "27.54", "41.65", "0.9754"),
    4: ("28.42", "0.8104", "2.35", "21.42", "37.21", "0.9516"),
}
UNPADDED = {2: 6.083, 3: 3.579, 4: 2.329}
MADE_UP = {
    2: (32.908025, 0.961100, 7.303117, 22.371826, 42.674057, 0.990517, 7.009700),
    4: (21.926251, 0.343926, 1.975358, 6.988921, 29.801999, 0.740651, 1.948032),
}


def scored(picture: np.ndarray, scale: int, border: Literal["symmetric", "clamp"], single: bool) -> tuple[np.ndarray, float]:
    """Six figures of bicubic, and IFC without padding."""
    lr, reference = srcnn_pair(picture, scale, border, single)
    sr = resize(lr, scale, border)
    made = u8(sr * sr.dtype.type(255))[None]
    bare = ifc(made, reference[None], Protocol(data_range=255, border=scale), padded=False)
    return np.array(dataclasses.astuple(srcnn_six(sr, reference, scale))), bare


@pytest.mark.parametrize("scale", [2, 4])
def test_made_up_picture(scale: int) -> None:
    i, j = np.mgrid[:256, :240]
    wave = 50 * np.sin(0.11 * i) * np.cos(0.07 * j) + 30 * np.sin(0.9 * i + 0.5 * j)
    picture = u8(128 + wave + 25 * ((i // 16 + j // 16) % 2))
    assert picture.sum() == 8621589
    six, bare = scored(picture, scale, "symmetric", False)
    np.testing.assert_allclose([*six, bare], MADE_UP[scale], rtol=0, atol=6e-7)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("border", ["clamp", pytest.param("symmetric", marks=pytest.mark.long)])
def test_set5(shared_data: Path, border: Literal["symmetric", "clamp"], scale: int) -> None:
    key = f"{'clamp_single' if border == 'clamp' else 'mirror_double'}_x{scale}"
    rows, bare = [], []
    for name, golden in PER_IMAGE[key].items():
        picture = np.asarray(Image.open(shared_data / "sr_test" / "Set5" / f"{name}.png").convert("RGB")).transpose(2, 0, 1)
        six, unpadded = scored(picture, scale, border, single=border == "clamp")
        assert (np.abs(six - golden) <= HALF_DIGIT).all(), (name, dict(zip(COLUMNS, six - golden, strict=True)))
        rows.append(six)
        bare.append(unpadded)
    assert len(rows) == 5
    assert np.mean(bare) == pytest.approx(UNPADDED[scale], abs=5.1e-4)
    if border == "clamp":
        digits = (2, 4, 2, 2, 2, 4)
        assert tuple(f"{value:.{n}f}" for value, n in zip(np.mean(rows, axis=0), digits, strict=True)) == PUBLISHED[scale]
