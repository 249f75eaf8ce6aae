"""Charts: ticks are round, curves go through their points, and what is not finite is left out."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_core.report.charts import Level, Line, chart, gains, signed, ticks


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
@settings(derandomize=True, deadline=None)
def test_ticks_lie_inside_and_are_few(low: float, span: float) -> None:
    found = ticks(low, low + span)
    slack = 1e-6 * (abs(low) + span)
    assert 1 <= len(found) <= 9 and all(low - slack <= t <= low + span + slack for t in found)


def test_ticks_by_value() -> None:
    assert ticks(0, 10) == [0, 5, 10] and ticks(0, 1, 5) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0]) and ticks(3, 3) == [3]


def test_a_line_goes_through_its_points_and_ends_with_a_mark() -> None:
    drawn = chart("loss", "loss", [Line("a", [(0, 4.0), (10, 2.0), (20, 1.0)])])
    points = re.search(r'points="([^"]+)"', drawn)
    assert points is not None
    # The loss falls, so y, which runs downwards, grows.
    xy = [tuple(float(v) for v in pair.split(",")) for pair in points.group(1).split()]
    assert [x for x, _ in xy] == sorted(x for x, _ in xy) and [y for _, y in xy] == sorted(y for _, y in xy)
    assert f'class="end line-0" cx="{xy[-1][0]:.1f}" cy="{xy[-1][1]:.1f}"' in drawn


def test_axes_are_named_and_levels_lie_where_their_values_are() -> None:
    drawn = chart("PSNR", "PSNR in dB", [Line("network", [(0, 30.0), (10, 34.0)])], [Level("filter", 30.0), Level("bicubic", 32.0)])
    assert ">step</text>" in drawn and ">PSNR in dB</text>" in drawn
    heights = [float(y) for y in re.findall(r'class="level level-\d" [^>]*y1="([\d.]+)"', drawn)]
    points = re.search(r'points="([^"]+)"', drawn)
    assert points is not None
    first, last = (float(pair.split(",")[1]) for pair in points.group(1).split())
    assert heights == pytest.approx([first, (first + last) / 2], abs=0.1)


def test_names_are_escaped_and_one_point_is_drawn() -> None:
    drawn = chart("<b>", "<i>", [Line("a", [(5, 1.0)])])
    assert "<b>" not in drawn and "<i>" not in drawn and drawn.count("<circle") == 1


def test_gains_draw_a_dot_a_region() -> None:
    drawn = gains({"bicubic": [1.0, 2.0, math.inf], "linear filter": [-0.5]})
    assert drawn.count('class="dot"') == 3 and drawn.count('class="mean"') == 2 and "+1.50" in drawn and "−0.50" in drawn
    assert drawn.count('class="zero"') == 1
    assert gains({"bicubic": [math.nan]}) == ""


def test_signs() -> None:
    assert signed(0.126) == "+0.13" and signed(-2) == "−2.00" and signed(math.inf) == "∞"
