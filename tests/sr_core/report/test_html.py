"""The page: self-contained, small enough, escaped, and saying the numbers it was given."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sr_core.errors import OutputError
from sr_core.report import html
from sr_core.report.content import ReportContent
from sr_core.report.html import build_report
from sr_core.trust.verdict import MADE_UP, judge

Maker = Callable[..., ReportContent]


class Page(HTMLParser):
    """Collects what a page refers to, its text, and elements left open."""

    VOID = ("meta", "img", "input", "line", "circle", "polyline")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.addresses += [str(named[a]) for a in ("src", "href", "srcset", "data", "action", "poster") if a in named]
        if tag == "img":
            self.images.append(named)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def page(tmp_path: Path, content: ReportContent) -> Page:
    return Page(build_report(tmp_path / "report.html", content).read_text("utf-8"))


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path, content: Maker) -> None:
    text = build_report(tmp_path / "report.html", content()).read_text("utf-8")
    read = Page(text)
    assert read.open == []
    assert read.addresses and all(a.startswith(("data:image/png;base64,", "#")) for a in read.addresses)
    assert "http" not in re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+|http-equiv", "", text)
    assert "@import" not in text and "url(" not in text and "default-src 'none'" in text


def test_verdict_and_claim_come_first(tmp_path: Path, content: Maker) -> None:
    made = content()
    text = page(tmp_path, made).text
    places = [text.index(s) for s in ("All 3 test regions passed.", made.decision_sentence, made.evaluation.claim.text, "Pictures")]
    assert places == sorted(places)
    assert "Of the 1 % largest errors on the test regions the interval held 22.0 %" in text


def test_numbers_are_those_of_the_evaluation(tmp_path: Path, content: Maker) -> None:
    made = content()
    text = page(tmp_path, made).text
    wanted = (
        "33.76", "+2.51 dB", "+0.89 dB", "from 31.25 dB", "0.9277", "93.1 %", "84.4", "46.0", "3.5 px", "1.2 × 10⁻⁵", "0.0213",
        "Over bicubic: +2.51 dB on average (+2.20 to +2.82), better on 3 of 3 regions.", made.evaluation.protocol.describe(),
        "f" * 64, "e" * 64, "b" * 64, "Seed", "contains modified Copernicus data", "at most 1.5 × 10⁻⁵", "there is no near-infrared band",
        "Bands shown: B04, B03, B02", *(r.name for r in made.regions), *made.notes, *made.decision_reasons, "Pixel phase",
    )  # fmt: skip
    assert [w for w in wanted if w not in text] == []


def test_text_is_escaped(tmp_path: Path, content: Maker) -> None:
    raw = build_report(tmp_path / "r.html", content(title="<script>alert('x')</script> & co")).read_text("utf-8")
    assert "<script>alert" not in raw and "&lt;script&gt;alert" in raw and "&amp; co" in raw


@pytest.mark.parametrize(
    ("bands", "interval", "regions"),
    [(("CT",), False, 1), (("red", "green", "blue"), True, 1), (("1", "2", "3", "4", "5"), True, 2), (("a", "b"), False, 2)],
)
def test_any_number_of_bands_with_and_without_interval(
    tmp_path: Path, content: Maker, bands: tuple[str, ...], interval: bool, regions: int
) -> None:
    read = page(tmp_path, content(bands=bands, interval=interval, regions=regions))
    pictures = [i for i in read.images if i.get("alt")]
    assert len(pictures) == regions * (4 + (5 if interval else 4))
    assert ("interval half-width" in read.text) == interval
    assert ("Do not use it as a bound" in read.text) == (not interval)
    assert "nan" not in read.text.lower().split() and "None" not in read.text


def test_every_picture_says_what_it_shows(tmp_path: Path, content: Maker) -> None:
    read = page(tmp_path, content(regions=1))
    assert all("alt" in i for i in read.images)
    assert sum("of region dddddddd" in str(i["alt"]) for i in read.images) == 9


def test_a_failure_is_told_at_the_top(tmp_path: Path, content: Maker) -> None:
    text = page(tmp_path, content(failing=True)).text
    assert "Of 3 test regions 2 passed, 1 failed." in text
    assert "residual max is 0.00014 reflectance, limit at most 0.0001 reflectance" in text


def test_pictures_shrink_until_the_page_fits(tmp_path: Path, content: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    large = content(regions=1, side=(208, 224))
    whole = build_report(tmp_path / "a.html", large).stat().st_size
    monkeypatch.setattr(html, "MOST_BYTES", whole - 1)
    smaller = build_report(tmp_path / "b.html", large)
    assert smaller.stat().st_size < whole
    assert "Shown: the 192 × 192 px with the largest errors, of 224 × 208 px." in smaller.read_text("utf-8")
    monkeypatch.setattr(html, "MOST_BYTES", 1000)
    with pytest.raises(OutputError, match="MB"):
        build_report(tmp_path / "c.html", large)
    assert not (tmp_path / "c.html").exists()


def test_at_most_six_regions_are_drawn(tmp_path: Path, content: Maker) -> None:
    read = page(tmp_path, content(regions=8, side=(24, 40)))
    assert "2 more regions not shown" in read.text
    assert len([i for i in read.images if i.get("alt")]) == 6 * 9


def test_same_content_gives_the_same_page(tmp_path: Path, content: Maker) -> None:
    first, second = (build_report(tmp_path / f"{i}.html", content(regions=1)).read_bytes() for i in range(2))
    assert first == second


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, content: Maker) -> None:
    with pytest.raises(OutputError, match="can be written"):
        build_report(tmp_path / "missing" / "report.html", content(regions=1))
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OutputError):
        build_report(tmp_path / "report.html", content(regions=1))
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_a_perceptual_models_page_says_that_detail_is_made_up(tmp_path: Path, content: Maker) -> None:
    made = content()
    evaluation = made.evaluation
    regions = tuple(
        r.model_copy(update={"verdict": judge(evaluation.claim, r.verdict.checks, cautions=[MADE_UP])}) for r in evaluation.regions
    )
    text = page(tmp_path, replace(made, evaluation=evaluation.model_copy(update={"regions": regions}))).text
    assert text.count(MADE_UP) == 1
    assert MADE_UP not in page(tmp_path, made).text
