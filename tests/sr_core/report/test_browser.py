"""The page in a browser: the slider and the tabs answer to keys, and nothing is asked of the network."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sr_core.report.content import ReportContent
from sr_core.report.html import build_report

pytestmark = pytest.mark.long
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def test_slider_and_tabs_by_keyboard(tmp_path: Path, content: Callable[..., ReportContent]) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    target = build_report(tmp_path / "report.html", content(regions=2))
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        faults: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(target.as_uri())
        stage = page.locator("#region-1 .stage")
        assert stage.locator(".tag.left").inner_text() == "bicubic" and stage.locator(".tag.right").inner_text() == "SR"
        stage.locator("input").focus()
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        region = page.locator("#region-1")
        assert region.evaluate("e => e.style.getPropertyValue('--split')") == "52%"
        lines = region.locator(".window").evaluate_all(
            "all => all.map(e => parseFloat(getComputedStyle(e, '::after').left) / e.clientWidth)"
        )
        assert len(lines) == 5 and all(abs(line - 0.52) < 0.01 for line in lines)  # the maps show where the slider stands
        page.locator("#region-1 select[data-side=left]").select_option(label="guessed part")
        guessed = page.locator('#region-1 img[data-caption="guessed part"]').get_attribute("src")
        assert stage.locator("img.left").get_attribute("src") == guessed and stage.locator(".tag.left").inner_text() == "guessed part"
        page.locator("#region-1 select[data-side=right]").select_option(label="HR")
        assert stage.locator("img.right").get_attribute("src") == page.locator("#region-1 img[data-caption=HR]").get_attribute("src")
        assert page.locator("#region-2").is_hidden()
        page.locator("#tab-1").focus()
        page.keyboard.press("ArrowRight")
        assert page.locator("#region-2").is_visible() and page.locator("#region-1").is_hidden()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.set_viewport_size({"width": 340, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        charts = page.locator("section[aria-labelledby=training] figure.chart > svg")
        assert charts.count() == 7 and all(200 < (chart.bounding_box() or {})["width"] < 340 for chart in charts.all())
        browser.close()
    assert faults == [] and {url.partition(":")[0] for url in asked} <= {"file", "data"}
