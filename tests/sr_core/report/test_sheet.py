"""The contact sheet: what it says, that it is whole in itself, and that anyone can read it."""

from __future__ import annotations

import base64
import io
import itertools
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sr_core.errors import InputError, OutputError, StoreError
from sr_core.operators import make_operator
from sr_core.patches import PairImage, PatchStore, write_shard
from sr_core.patches.readers import StreamReader
from sr_core.raster import Encoding, Raster
from sr_core.recipe import PatchPlan
from sr_core.report.sheet import build_sheet, render_sheet, spread

ENCODING = Encoding("uint16", 1e-4)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def make_store(
    folder: Path,
    plan: PatchPlan,
    scale: int = 2,
    bands: tuple[str, ...] = ("B02", "B03", "B04"),
    images: int = 3,
    flat: bool = False,
    kind: str = "bicubic",
) -> PatchStore:
    folder.mkdir(exist_ok=True)
    operator = make_operator(kind, scale)
    for number in range(images):
        shape = (len(bands), 60 * scale, 52 * scale)
        values = np.full(shape, 0.25) if flat else np.random.default_rng(number).uniform(0.1, 0.5, shape)
        hr = ENCODING.decode(ENCODING.encode(values))
        lr = ENCODING.decode(ENCODING.encode(operator.apply(torch.from_numpy(hr)).numpy()))
        rasters = (Raster(x, np.ones(x.shape[1:], bool), bands, "reflectance", ENCODING.valid_range) for x in (lr, hr))
        pair = PairImage(f"field <{number}>", "train", *rasters)
        write_shard(folder / f"{number}.h5", [pair], plan, scale, ENCODING, operator.to_json(), f"{number:064x}")
    return PatchStore(folder)


class Reading(HTMLParser):
    """Tags in order, and what is wrong with the nesting."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("plan", [PatchPlan(), PatchPlan(grid="hr", origins="classic"), PatchPlan(origins="whole")])
def test_the_sheet_says_what_the_store_holds(tmp_path: Path, plan: PatchPlan) -> None:
    store = make_store(tmp_path / "store", plan)
    text = build_sheet(tmp_path / "sheet.html", store, pairs=3).read_text()
    read = Reading()
    read.feed(text)
    assert not read.open
    assert make_operator("bicubic", 2).describe().replace("'", "&#39;") in text
    assert f"{store.count('train'):,} training" in text or plan.origins == "whole"
    pictures = [a for tag, a in read.tags if tag == "img"]
    assert len(pictures) == 6 and all(a["alt"] and a["src"] and a["src"].startswith("data:image/png;base64,") for a in pictures)
    assert sum(tag == "polyline" for tag, _ in read.tags) == 2 * 2 + 2 * 2 * 3 + 2 * 2  # summary, pairs, two keys
    assert all(a.get("aria-label") or a.get("aria-hidden") for tag, a in read.tags if tag == "svg")
    assert "field &lt;0&gt;" in text and "<0>" not in text  # names are escaped


def test_it_is_whole_in_itself(tmp_path: Path) -> None:
    text = render_sheet(make_store(tmp_path / "store", PatchPlan()), "train", 4, 0)
    assert not re.search(r"https?://|<script|<link|@import|url\(", text)
    assert "default-src 'none'" in text and "prefers-color-scheme: dark" in text
    assert '<html lang="en">' in text and 'name="viewport"' in text
    headings = [int(level) for level in re.findall(r"<h([1-6])", text)]
    assert headings[0] == 1 and headings.count(1) == 1 and all(b - a <= 1 for a, b in itertools.pairwise(headings))


def test_pictures_are_the_stored_pixels(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", PatchPlan(), bands=("B04",), images=1)
    text = render_sheet(store, "train", 1, 0)
    lr, hr = StreamReader(store, "train", True).pair(spread(StreamReader(store, "train", True), 0)[0])
    low, high = np.percentile(hr.numpy(), (1, 99))
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in re.findall(r'base64,([^"]+)"', text)]
    assert [x.shape for x in shown] == [(33, 33, 3), (66, 66, 3)]
    for picture, pixels in zip(shown, (lr, hr), strict=True):
        wanted = np.rint(np.clip((pixels[0].numpy() - low) / (high - low), 0, 1) * 255)
        assert np.abs(picture[:, :, 0].astype(int) - wanted).max() <= 1


def test_every_image_is_shown_before_any_twice(tmp_path: Path) -> None:
    reader = StreamReader(make_store(tmp_path / "store", PatchPlan(), images=5), "train", True)
    order = spread(reader, seed=1)
    assert sorted(order) == list(range(len(reader)))
    assert {reader.origin_of(patch)[0] for patch in order[:5]} == set(range(5))
    assert order != spread(reader, seed=2) and order == spread(reader, seed=1)


def test_the_same_store_gives_the_same_page(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", PatchPlan())
    assert render_sheet(store, "train", 3, 0) == render_sheet(store, "train", 3, 0) != render_sheet(store, "train", 3, 1)


def test_flat_pairs_and_large_pictures(tmp_path: Path) -> None:
    text = render_sheet(make_store(tmp_path / "flat", PatchPlan(), flat=True), "train", 2, 0)
    assert "nan" not in text.lower().split("<main>")[1] and "0 %" in text
    large = make_store(tmp_path / "large", PatchPlan(origins="whole"), scale=4, images=1)  # LR 60 x 52: below the limit, HR 240 x 208
    assert "HR, 208 × 240 px" in render_sheet(large, "train", 1, 0)


def test_k_space_on_the_hr_grid_is_shown_too(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", PatchPlan(grid="hr"), kind="kspace")
    assert make_operator("kspace", 2).describe().split(";")[0].replace("'", "&#39;") in render_sheet(store, "train", 2, 0)


def test_faults_are_said(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", PatchPlan(), images=1)
    for pairs in (0, 61):
        with pytest.raises(InputError, match="1 to 60"):
            build_sheet(tmp_path / "x.html", store, pairs=pairs)
    with pytest.raises(StoreError, match="no val patch"):
        build_sheet(tmp_path / "x.html", store, "val")
    with pytest.raises(OutputError, match="Give another path"):
        build_sheet(tmp_path / "store" / "0.h5" / "x.html", store)
    assert not (tmp_path / "x.html").exists()


@pytest.mark.long
def test_in_a_browser_it_fits_narrow_and_dark(tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    target = build_sheet(tmp_path / "sheet.html", make_store(tmp_path / "store", PatchPlan()), pairs=4)
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        papers = set()
        for scheme in ("light", "dark"):
            page = browser.new_page(color_scheme=scheme, viewport={"width": 360, "height": 800})
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(target.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
            assert {url.split(":")[0] for url in asked} <= {"file", "data"} and sum(url.startswith("file") for url in asked) == 1
            assert page.locator(".pair").count() == 4
            papers.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        browser.close()
    assert len(papers) == 2
