"""Benchmark folders as people have them: which files are HR, which LR, and of which scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from domains.photo.benchmark import find_sets, pictures_below, read_uint8
from sr_core.errors import InputError
from sr_core.log import Silent

NAMES = ("baby", "Img_001")


def put(path: Path, side: int = 24) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(path)
    return path


LAYOUTS = {
    "flat": ("{n}.png", None),
    "HR": ("HR/{n}.png", "LR_bicubic/X{s}/{n}x{s}.png"),
    "GTmod12": ("GTmod12/{n}.png", "LRbicx{s}/{n}.png"),
    "SelfExSR": ("image_SRF_{s}/{n}_SRF_{s}_HR.png", "image_SRF_{s}/{n}_SRF_{s}_LR.png"),
    "marks": ("{n}_GT.bmp", "{n}_LRx{s}.bmp"),
    "beside": ("{n}.png", "{n}x{s}.png"),
    "one LR folder": ("HR/{n}.png", "LR/{n}x{s}.png"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path: Path, layout: str) -> None:
    hr, lr = LAYOUTS[layout]
    made: dict[tuple[str, int], tuple[Path, Path | None]] = {}
    for scale in (2, 3):
        for name in NAMES:
            high = put(tmp_path / "Set5" / hr.format(n=name, s=scale))
            made[name, scale] = high, None if lr is None else put(tmp_path / "Set5" / lr.format(n=name, s=scale), 24 // scale)
    put(tmp_path / "Set5" / "image_SRF_2" / "baby_SRF_2_SRCNN.png") if layout == "SelfExSR" else None
    for given in (tmp_path / "Set5", tmp_path):
        sets = find_sets([given], [2, 3], Silent())
        assert [(p.name, p.scale, p.paired) for p in sets] == [("Set5", 2, lr is not None), ("Set5", 3, lr is not None)]
        for place in sets:
            assert {p.name: (p.hr, p.lr) for p in place.pictures} == {n: made[n, place.scale] for n in NAMES}
            assert not place.refusals


def test_a_missing_partner_is_named(tmp_path: Path) -> None:
    put(tmp_path / "HR" / "a.png")
    put(tmp_path / "HR" / "b.png")
    put(tmp_path / "LR" / "X2" / "ax2.png")
    (place,) = find_sets([tmp_path], [2], Silent())
    assert [p.name for p in place.pictures] == ["a"] and place.refusals[0].sentence.startswith("b.png without an LR picture; expected")


def test_nonsense_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for given, words in (
        (tmp_path / "empty", "without pictures"),
        (tmp_path / "3", "does not exist"),
        (put(tmp_path / "p.png"), "is a file"),
    ):
        with pytest.raises(InputError, match=words):
            find_sets([given], [2], Silent())
    with pytest.raises(InputError, match="without pictures"):
        pictures_below([tmp_path / "empty"])


def test_what_the_protocol_cannot_take_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((24, 24), np.uint16)).save(tmp_path / "wide.png")
    Image.fromarray(np.zeros((24, 24, 4), np.uint8)).save(tmp_path / "clear.png")
    Image.fromarray(np.full((24, 24, 4), 255, np.uint8)).save(tmp_path / "opaque.png")
    with pytest.raises(InputError, match="16 bits"):
        read_uint8(tmp_path / "wide.png")
    with pytest.raises(InputError, match="transparent"):
        read_uint8(tmp_path / "clear.png")
    assert read_uint8(tmp_path / "opaque.png").shape == (3, 24, 24)
