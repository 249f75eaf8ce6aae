"""The published protocol: a made-up picture with golden values, and Set5 where it is present.

Golden values were computed by an independent program whose resize equals MATLAB's files bit for bit; the means are the published ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from sr_core.errors import InputError
from sr_core.metrics import modcrop, srcnn_pair, srcnn_protocol, srcnn_score
from sr_core.operators.matlab import resize, u8

SET5 = ("baby", "bird", "butterfly", "head", "woman")
PER_IMAGE: dict[tuple[str, int], list[tuple[float, float]]] = {
    ("symmetric", 2): [(37.066, 0.951956), (36.8058, 0.972133), (27.4332, 0.915364), (34.858, 0.862334), (32.144, 0.947634)],
    ("symmetric", 3): [(33.9101, 0.903921), (32.5723, 0.92564), (24.0365, 0.821629), (32.8793, 0.800256), (28.5628, 0.889585)],
    ("symmetric", 4): [(31.7764, 0.856682), (30.1773, 0.872935), (22.0975, 0.73689), (31.5899, 0.753567), (26.4623, 0.831796)],
    ("symmetric", 8): [(27.2435, 0.730639), (25.2841, 0.704778), (17.728, 0.496308), (29.038, 0.667559), (22.6613, 0.686228)],
    ("clamp", 2): [(37.0661, 0.951956), (36.8075, 0.972133), (27.4344, 0.915364), (34.8583, 0.862334), (32.1445, 0.947634)],
    ("clamp", 3): [(33.9105, 0.903921), (32.5755, 0.925642), (24.038, 0.821629), (32.8797, 0.800256), (28.5643, 0.889585)],
    ("clamp", 4): [(31.7769, 0.856683), (30.1801, 0.872937), (22.099, 0.73689), (31.5901, 0.753567), (26.4641, 0.831797)],
    ("clamp", 8): [(27.2442, 0.730642), (25.2871, 0.704802), (17.731, 0.496337), (29.0388, 0.667579), (22.6645, 0.686251)],
}
PUBLISHED = {2: (33.66, 0.9299), 3: (30.39, 0.8682), 4: (28.42, 0.8104)}


def made_up() -> np.ndarray:
    i, j = np.mgrid[:256, :240]
    wave = 50 * np.sin(0.11 * i) * np.cos(0.07 * j) + 30 * np.sin(0.9 * i + 0.5 * j)
    return u8(128 + wave + 25 * ((i // 16 + j // 16) % 2))


@pytest.mark.parametrize(("scale", "total", "db", "similarity"), [(2, 8621565, 32.908025, 0.961100), (4, 8621614, 21.926251, 0.343926)])
def test_made_up_picture(scale: int, total: int, db: float, similarity: float) -> None:
    picture = made_up()
    assert picture.sum() == 8621589
    lr, reference = srcnn_pair(picture, scale)
    sr = resize(lr, scale)
    assert u8(255 * sr).sum() == total
    score = srcnn_score(sr, reference, scale)
    assert score.psnr == pytest.approx(db, abs=6e-7)
    assert score.ssim == pytest.approx(similarity, abs=6e-7)
    assert srcnn_protocol(picture, scale) == score


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("border", ["symmetric", "clamp"])
def test_set5(shared_data: Path, border: Literal["symmetric", "clamp"], scale: int) -> None:
    scores = []
    for name, (db, similarity) in zip(SET5, PER_IMAGE[border, scale], strict=True):
        picture = np.asarray(Image.open(shared_data / "sr_test" / "Set5" / f"{name}.png").convert("RGB")).transpose(2, 0, 1)
        scores.append(srcnn_protocol(picture, scale, border=border, single=border == "clamp"))
        assert scores[-1].psnr == pytest.approx(db, abs=5.1e-5)
        assert scores[-1].ssim == pytest.approx(similarity, abs=5.1e-7)
    if scale in PUBLISHED:
        assert round(float(np.mean([s.psnr for s in scores])), 2) == PUBLISHED[scale][0]
        assert round(float(np.mean([s.ssim for s in scores])), 4) == PUBLISHED[scale][1]


def test_forgotten_border_would_be_seen() -> None:
    picture = made_up()
    lr, reference = srcnn_pair(picture, 2)
    assert abs(srcnn_score(resize(lr, 2), reference, 4).psnr - 32.908025) > 1e-3


def test_modcrop_and_refusal() -> None:
    assert modcrop(np.zeros((3, 11, 14)), 4).shape == (3, 8, 12)
    with pytest.raises(InputError, match="uint8"):
        srcnn_pair(np.zeros((20, 20)), 2)  # type: ignore[arg-type]
