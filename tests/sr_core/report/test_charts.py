"""Charts: ticks are round, curves go through their points, and what is not finite is left out."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_core.report.charts import curves, gains, signed, ticks


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
@settings(derandomize=True, deadline=None)
def test_ticks_lie_inside_and_are_few(low: float, span: float) -> None:
    found = ticks(low, low + span)
    slack = 1e-6 * (abs(low) + span)
    assert 1 <= len(found) <= 9 and all(low - slack <= t <= low + span + slack for t in found)


def test_ticks_by_value() -> None:
    assert ticks(0, 10) == [0, 5, 10] and ticks(0, 1, 5) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0]) and ticks(3, 3) == [3]


def test_one_chart_a_name_through_all_points() -> None:
    panels = curves([("loss", 10, 2.0), ("loss", 0, 4.0), ("loss", 20, 1.0), ("psnr", 0, 30.0), ("psnr", 20, math.nan), ("psnr", 10, 31.0)])
    assert [(p.heading, p.last) for p in panels] == [("loss", "1"), ("psnr", "31")]
    points = re.search(r'points="([^"]+)"', panels[0].svg)
    assert points is not None
    # The loss falls, so y, which runs downwards, grows.
    xy = [tuple(float(v) for v in pair.split(",")) for pair in points.group(1).split()]
    assert [x for x, _ in xy] == sorted(x for x, _ in xy) and [y for _, y in xy] == sorted(y for _, y in xy)


def test_one_point_is_no_curve_and_names_are_escaped() -> None:
    assert curves([("loss", 10, 2.0)]) == ()
    assert "<b>" not in curves([("<b>", 0, 1.0), ("<b>", 1, 2.0)])[0].svg


def test_gains_draw_a_dot_a_region() -> None:
    drawn = gains({"bicubic": [1.0, 2.0, math.inf], "linear filter": [-0.5]})
    assert drawn.count('class="dot"') == 3 and drawn.count('class="mean"') == 2 and "+1.50" in drawn and "−0.50" in drawn
    assert drawn.count('class="zero"') == 1
    assert gains({"bicubic": [math.nan]}) == ""


def test_signs() -> None:
    assert signed(0.126) == "+0.13" and signed(-2) == "−2.00" and signed(math.inf) == "∞"
