"""The face domain: who is who, what is kept, what is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from domains.face.checks import FacePixels, Identity
from domains.face.domain import DOMAIN, FaceDomain
from domains.face.write import NOTICE
from sr_core.domain import OutputPlan
from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.trust.verdict import Claim, Evidence, Verdict, judge

REPOSITORY = Path(__file__).resolve().parents[3]
SOFTWARE, ORIENTATION, ARTIST = 0x0131, 0x0112, 0x013B


@pytest.fixture(scope="session")
def verdict() -> Verdict:
    claim = Claim(
        level="none", text="No claim is made.", alpha=0.1, delta=0.1, gamma=0.1, n=0, n_min=22, group_kind="person",
        operator="0" * 64, calibration=None,
    )  # fmt: skip
    return judge(claim, [])


def picture(path: Path, seed: int, size: tuple[int, int] = (40, 32), mode: str = "RGB", **save: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(path, **save)
    return path


def people(tmp_path: Path) -> list[Path]:
    return [picture(tmp_path / f"faces/person {p}/{i}.png", 10 * p + i) for p in (1, 2, 3) for i in (1, 2)]


def test_a_folder_below_the_given_one_is_a_person(tmp_path):
    people(tmp_path)
    sources, refusals = DOMAIN.discover([tmp_path / "faces"], Silent())
    assert not refusals and len(sources) == 6
    by_folder = {folder: {s.group.id for s in sources if s.path.parent.name == folder} for folder in ("person 1", "person 2", "person 3")}
    assert all(len(ids) == 1 for ids in by_folder.values()) and len(set.union(*by_folder.values())) == 3
    assert not any("person" in s.group.id for s in sources) and all(s.group.kind == "person" for s in sources)


def test_several_given_folders_are_people_and_groups_do_not_depend_on_the_place(tmp_path):
    people(tmp_path)
    folders = [tmp_path / "faces" / f"person {p}" for p in (1, 2, 3)]
    apart, _ = DOMAIN.discover(folders, Silent())
    together, _ = DOMAIN.discover([tmp_path / "faces"], Silent())
    (tmp_path / "faces").rename(tmp_path / "moved")
    moved, _ = DOMAIN.discover([tmp_path / "moved"], Silent())
    groups = [{s.sha256: s.group for s in found} for found in (apart, together, moved)]
    assert groups[0] == groups[1] == groups[2]


def test_in_a_flat_folder_every_picture_is_its_own_person(tmp_path):
    for i in range(3):
        picture(tmp_path / f"{i}.png", i)
    sources, _ = DOMAIN.discover([tmp_path], Silent())
    assert len({s.group for s in sources}) == 3


def test_the_key_changes_the_pseudonyms(tmp_path):
    people(tmp_path)
    ids = [{s.group.id for s in FaceDomain(group_key=key).discover([tmp_path / "faces"], Silent())[0]} for key in ("a", "b")]
    assert ids[0].isdisjoint(ids[1])


def test_no_person_is_on_two_sides(tmp_path):
    for p in range(6):
        for i in range(2):
            picture(tmp_path / f"f/{p}/{i}.png", 10 * p + i, (80, 80))
    sources, _ = DOMAIN.discover([tmp_path / "f"], Silent())
    split = DOMAIN.split(sources, 2, 16, 1)
    sides = [{r.group for r in part} for part in (split.train, split.val, split.calibration, split.test)]
    assert sum(len(side) for side in sides) == len(set.union(*sides)) == 6


def test_what_cannot_be_used_is_refused(tmp_path):
    picture(tmp_path / "good.png", 1)
    picture(tmp_path / "small.png", 2, (26, 60))
    (tmp_path / "text.png").write_text("no picture")
    data = picture(tmp_path / "cut.jpg", 3).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40)).save(tmp_path / "wide.png")
    sources, refusals = DOMAIN.discover([tmp_path], Silent())
    assert [s.path.name for s in sources] == ["good.png"]
    sentences = {r.path.name: r.sentence for r in refusals}
    assert set(sentences) == {"small.png", "text.png", "cut.jpg", "wide.png"}
    assert "27 x 27" in sentences["small.png"] and "8 bits" in sentences["wide.png"]


def upscale(source, target: Path, verdict: Verdict, half: bool = True):
    with DOMAIN.open(source) as scene:
        raster = scene.read(Window(0, 0, *source.shape[1:]))
    sr = raster.pixels.repeat(2, 1).repeat(2, 2)
    plan = OutputPlan(target, 2, "edsr:1:abc", "bicubic x2", "No claim is made.", {"SR_NOTICE": "another"})
    with DOMAIN.create(source, plan) as writer:
        writer.write(Window(0, 0, *sr.shape[1:]), sr, np.ones(sr.shape[1:], bool), np.ones_like(sr) if half else None, None)
        return sr, writer.finish(verdict)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_same_format_with_exif_and_profile_kept_and_labelled(tmp_path, verdict, ending):
    exif = Image.Exif()
    exif[SOFTWARE], exif[ARTIST] = "a camera", "somebody"
    exif[ORIENTATION] = 6
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 0.0, 0.0)})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = picture(tmp_path / f"in/a.{ending}", 5, exif=exif, icc_profile=profile)
    (source,), _ = DOMAIN.discover([path], Silent())
    assert source.shape == (3, 40, 32)  # turned upright
    _, files = upscale(source, tmp_path / f"out.{ending}", verdict)
    with Image.open(path) as before, Image.open(files[0].path) as after:
        assert after.format == before.format and after.size == (64, 80)
        assert after.info["icc_profile"] == profile
        kept = after.getexif()
        assert kept[SOFTWARE] == "a camera" and kept[ARTIST] == "somebody"
        assert kept.get(ORIENTATION, 1) == 1 and not kept.get_ifd(0x8825)
        xmp = after.info["xmp"]
        assert "digitalsourcetype/algorithmicallyEnhanced" in (xmp.decode() if isinstance(xmp, bytes) else xmp)


def test_pixels_are_what_was_written_and_the_notice_is_beside_them(tmp_path, verdict):
    (source,), _ = DOMAIN.discover([picture(tmp_path / "a.png", 5)], Silent())
    sr, files = upscale(source, tmp_path / "out.png", verdict)
    assert [f.role for f in files] == ["image", "interval", "verdict"]
    with Image.open(files[0].path) as image:
        np.testing.assert_array_equal(np.moveaxis(np.asarray(image), -1, 0), sr)
        assert image.text["sr-notice"] == NOTICE  # ours, whatever the caller says
    read = Verdict.from_json(files[2].path.read_text(), "verdict")
    assert read.reasons[-1] == NOTICE and read.status == verdict.status


def test_face_size_bounds_the_distance_between_pupils():
    def result(side: int):
        lr = np.zeros((3, side, side + 9), np.float32)
        hr = lr.repeat(2, 1).repeat(2, 2)
        evidence = Evidence(
            y=lr, z=hr, bicubic=hr, mask_lr=np.ones(lr.shape[1:], bool), mask_hr=np.ones(hr.shape[1:], bool), residual=lr, half_width=None,
            step=1.0, valid_range=(0.0, 255.0), unit="grey level",
        )  # fmt: skip
        return FacePixels()(evidence), Identity()(evidence)

    size, identity = result(52)
    assert size.outcome == "warn" and size.value == pytest.approx(52 / 2.2)
    assert result(53)[0].outcome == "pass"
    assert identity.outcome == "skipped" and identity.sentence == "no embedding provider." and identity.required


def test_demo_is_one_person_cut_into_blocks(tmp_path):
    sources, refusals = DOMAIN.discover(DOMAIN.demo(tmp_path), Silent())
    assert not refusals and [s.shape for s in sources] == [(3, 512, 512)]
    split = DOMAIN.split(sources, 2, 16, 1)
    assert split.test and all(r.one_group for r in split.test) and "Only one person" in split.notes[0]


def test_importing_the_domain_is_cheap():
    code = "import sys, domains.face.domain; print([m for m in ('PIL', 'torch', 'skimage', 'rasterio') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "[]"


def test_sensitivity_asks_for_a_person_and_carries_the_notice():
    assert DOMAIN.sensitivity.needs_approval and DOMAIN.sensitivity.minimum_test_groups == 3
    assert DOMAIN.sensitivity.notice == NOTICE and next(iter(DOMAIN.operators())) == "bicubic" and DOMAIN.recipe().data_range == 255


def test_real_people(shared_data: Path):
    sources, refusals = DOMAIN.discover([shared_data / "face" / "orl"], Silent())
    assert not refusals and len(sources) == 340 and len({s.group for s in sources}) == 34
