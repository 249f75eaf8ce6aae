from __future__ import annotations

import numpy as np

from sr_core.panels import GAP, side_by_side


def test_panels_are_stretched_alike_and_stand_side_by_side() -> None:
    ramp = np.tile(np.linspace(0, 1, 101, dtype=np.float32), (3, 10, 1))
    picture = side_by_side([ramp * 0.5, ramp])
    assert picture.shape == (10, 2 * 101 + GAP, 3)
    assert picture[0, 50, 0] == round((0.25 - 0.01) / 0.98 * 255)  # the left panel in the right one's range
    assert picture[0, -1, 0] == 255 and picture[0, 101 + GAP, 0] == 0
    assert (picture[:, 101 : 101 + GAP] == 255).all()


def test_bands_become_colours() -> None:
    def first_pixel(bands: int) -> list[int]:
        image = np.zeros((bands, 2, 2), np.float32)
        image[:, 0, 0] = np.arange(bands) + 1
        return [int(v) for v in side_by_side([image])[0, 0]]

    one = first_pixel(1)
    assert one[0] == one[1] == one[2]
    red, green, blue = first_pixel(4)  # blue first, as satellite files have it
    assert red > green > blue


def test_holes_and_flat_images_do_not_fail() -> None:
    hole = np.full((1, 4, 4), np.nan, np.float32)
    flat = np.full((1, 4, 4), 7.0, np.float32)
    assert side_by_side([hole, flat]).dtype == np.uint8
    assert side_by_side([hole, hole]).max() <= 255
