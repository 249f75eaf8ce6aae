"""`sr upscale` through the command line: what is taken, where it goes, what is said before the start, what is refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import rasterio
from click.testing import Result
from made_bundle import make_bundle
from made_scenes import write_tiff
from PIL import Image
from typer.testing import CliRunner

from flows.cli.main import app
from sr_core.stages import upscale as stage
from sr_core.trust.claim import withdraw
from sr_core.trust.verdict import MADE_UP, Verdict

Sr = Callable[..., Result]
UNITS = {"satellite": "reflectance", "medical": "HU", "face": "grey level", "photo": "grey level"}


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    made = {unit: make_bundle(folder / unit.replace(" ", "-"), unit) for unit in set(UNITS.values())}
    return {domain: made[unit] for domain, unit in UNITS.items()}


@pytest.fixture
def sr(bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sr:
    monkeypatch.setenv("SR_WORKSPACE", str(tmp_path / "var"))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)

    def run(domain: str, *words: object, text: bytes = b"") -> Result:
        given = ["upscale", domain, *map(str, words), "--bundle", str(bundles[domain])]
        return CliRunner().invoke(app, given, input=text)

    return run


def picture(path: Path, seed: int = 0, side: int = 70) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, cols = np.mgrid[:side, :side]
    waves = 120 + 60 * np.sin(rows / 5) * np.cos(cols / 6) + np.random.default_rng(seed).normal(0, 3, (side, side))
    Image.fromarray(waves.clip(0, 255).astype(np.uint8)).save(path)
    return path


def tiff(path: Path, seed: int = 0, shape: tuple[int, int, int] = (2, 80, 90)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(1000, 3000, shape, dtype=np.uint16)

    def declare(dataset: Any) -> None:
        dataset.scales = (1e-4,) * shape[0]

    return write_tiff(path, values, nodata=0, edit=declare)


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def image_of(domain: str, folder: Path) -> Path:
    if domain == "medical":
        return Path(shutil.copy(Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm", folder / "slice.dcm"))
    return tiff(folder / "scene.tif") if domain == "satellite" else picture(folder / "p.png", side=160)


@pytest.mark.parametrize("domain", UNITS)
def test_every_domain_gives_files_verdict_forecast_and_outcome(domain: str, sr: Sr, tmp_path: Path) -> None:
    given = image_of(domain, tmp_path)
    result = sr(domain, given, "--out", "out/{stem}_x{scale}{suffix}", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    (image,) = document["images"]
    assert document["domain"] == domain and document["refusals"] == [] and document["dry_run"] is False
    assert Path(image["output"]) == Path("out") / f"{given.stem}_x2{given.suffix}"
    assert [file["role"] for file in image["files"]] == ["image", "interval", *(["stac"] if domain == "satellite" else []), "verdict"]
    assert image["verdict"]["status"] in ("pass", "warn", "abstain", "fail")
    said, outcome = image["forecast"], image["outcome"]
    channels, height, width = said["lr"]
    assert said["sr"] == [channels, 2 * height, 2 * width] and said["pixels"] == channels * height * width
    assert (said["executor"], said["passes"], said["probed"]) == ("whole", channels, False)
    assert said["peak_bytes"] > 50e6 and said["free_bytes"] > 0 and outcome["cpu_seconds"] > 0
    pixels = sum(Path(f["path"]).stat().st_size for f in image["files"] if f["role"] != "verdict")
    headers = 64 << 10
    assert pixels <= said["output_bytes"] + headers


def test_a_folder_keeps_its_shape_with_parent(sr: Sr, tmp_path: Path) -> None:
    for place in ("in/a/p.png", "in/b/p.png", "in/p.png"):
        picture(tmp_path / place, seed=len(place) + ord(place[3]))
    result = sr("photo", "in", "--out", "sr/{parent}/{stem}_x{scale}{suffix}")
    assert result.exit_code == 0, result.output
    made = files_below(tmp_path / "sr")
    assert {"p_x2.png", "a/p_x2.png", "b/p_x2.png", "a/p_x2.verdict.json"} <= made
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize(("flag", "end"), [((), b"\n"), (("-0",), b"\0"), (("--null",), b"\0")])
def test_a_list_on_standard_input(flag: tuple[str, ...], end: bytes, sr: Sr, tmp_path: Path) -> None:
    names = ["one.png", "two words.png", *(["line\nbreak.png"] if flag else [])]
    text = b"".join(str(picture(tmp_path / name, seed=i)).encode() + end for i, name in enumerate(names))
    result = sr("photo", "-", *flag, "--out", "sr/", text=text)
    assert result.exit_code == 0, result.output
    assert {name.replace(".png", "_x2.png") for name in names} <= files_below(tmp_path / "sr")


def test_what_a_list_gets_wrong(sr: Sr, tmp_path: Path) -> None:
    assert "an empty list" in sr("photo", "-", "--out", "sr/", text=b"\n").stderr
    assert "- twice" in sr("photo", "-", "-", "--out", "sr/", text=b"a").stderr
    picture(tmp_path / "a.png")
    result = sr("photo", "-", "--out", "sr/", text=b"a.png\0b.png\0")  # NULs without --null
    assert result.exit_code == 2 and "--null" in result.stderr


def test_bad_images_do_not_stop_good_ones(sr: Sr, tmp_path: Path) -> None:
    tiff(tmp_path / "in" / "good.tif")
    (tmp_path / "in" / "text.tif").write_text("no image")
    whole = tiff(tmp_path / "in" / "cut.tif", seed=1)
    whole.write_bytes(whole.read_bytes()[:4000])
    result = sr("satellite", "in", "--out", "sr/", "--json")
    assert result.exit_code == 0  # found below a folder: said, and no more
    document = json.loads(result.stdout)
    assert len(document["images"]) == 1
    assert {Path(r["path"]).name for r in document["refusals"]} == {"text.tif", "cut.tif"}
    assert all(r["error"] == "InputError" and "; expected " in r["sentence"] for r in document["refusals"])
    assert "refused in/text.tif" in result.stderr
    assert sr("satellite", "in", "--out", "again/", "--strict").exit_code == 3
    named = sr("satellite", "in/good.tif", "in/text.tif", "gone.tif", "--out", "named/", "--json")
    assert named.exit_code == 2  # asked for by name
    assert [r["path"] for r in json.loads(named.stdout)["refusals"]] == ["gone.tif", "in/text.tif"]
    assert "good_x2.tif" in files_below(tmp_path / "named")


def test_nothing_could_be_done(sr: Sr, tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("no image")
    result = sr("satellite", "text.tif", "gone.tif", "--out", "sr/", "--json")
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert document["images"] == [] and len(document["refusals"]) == 2
    assert document["error"]["error"] == "InputError" and "nothing to upscale" in document["error"]["sentence"]
    assert result.stderr.strip().splitlines()[-1].startswith("sr: nothing to upscale in text.tif, gone.tif; expected")


def test_a_dry_run_says_everything_and_writes_nothing(sr: Sr, tmp_path: Path) -> None:
    tiff(tmp_path / "in" / "a.tif")
    tiff(tmp_path / "in" / "deep" / "b.tif", seed=1, shape=(1, 70, 700))
    before = files_below(tmp_path)
    result = sr("satellite", "in", "--out", "sr/{parent}/{stem}{suffix}", "--dry-run")
    assert result.exit_code == 0, result.output
    assert files_below(tmp_path) == before and not (tmp_path / "sr").exists()
    for words in ("-> sr/a.tif", "-> sr/deep/b.tif", "2 x 80 x 90 to 2 x 160 x 180", "1 band of rows, 2 runs of the network (whole)",
                  "less than 2 s", "memory    up to", "disk      up to", " free"):  # fmt: skip
        assert words in result.stdout
    assert "(rows)" in result.stdout  # 700 columns are too many to be computed at once
    document = json.loads(sr("satellite", "in", "--out", "sr/{parent}/{stem}{suffix}", "-n", "--json").stdout)
    assert document["dry_run"] is True
    assert [image["output"] for image in document["images"]] == ["sr/a.tif", "sr/deep/b.tif"]
    assert [image["forecast"]["passes"] for image in document["images"]] == [2, 1]
    assert not any("files" in image for image in document["images"])
    assert files_below(tmp_path) == before


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("sr/{stm}.png", "field {stm}"),
        ("sr/{stem!r}.png", "field {stem}"),
        ("sr/{stem:>9}.png", "field {stem}"),
        ("sr/{stem.x}.png", "field {stem.x}"),
        ("sr/{stem.png", "{{ and }}"),
        ("one.png", "a folder, or a pattern with fields"),
        ("sr/{stem}_x{scale}{suffix}", "would both go to sr/p_x2.png"),
        ("sr/{scale}.png", "would both go to sr/2.png"),
        ("sr/", "would both go to"),
        ("{parent}/{name}", "is the input"),
    ],
)
def test_places_that_cannot_be_are_one_sentence_before_anything_is_computed(out: str, words: str, sr: Sr, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a" / "p.png")
    picture(tmp_path / "in" / "b" / "p.png", seed=1)
    os.chdir(tmp_path / "in")
    before = files_below(tmp_path)
    result = sr("photo", ".", "--out", out, "--overwrite")
    assert result.exit_code == 2
    assert words in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert files_below(tmp_path) == before


def test_verdicts_of_two_images_never_share_a_file(sr: Sr, tmp_path: Path) -> None:
    picture(tmp_path / "p.png")
    picture(tmp_path / "p.jpg", seed=1)
    result = sr("photo", "p.png", "p.jpg", "--out", "sr/")
    assert result.exit_code == 2 and "their verdicts" in result.stderr
    assert sr("photo", "p.png", "p.jpg", "--out", "sr/{name}_x{scale}{suffix}").exit_code == 0
    assert {"p.png_x2.png", "p.jpg_x2.jpg", "p.png_x2.verdict.json", "p.jpg_x2.verdict.json"} <= files_below(tmp_path / "sr")


@pytest.mark.parametrize("link", ["symbolic", "hard", "folder"])
def test_a_result_never_lands_on_an_input_through_a_link(link: str, sr: Sr, tmp_path: Path) -> None:
    first = picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "b.png", seed=1)
    (tmp_path / "sr").mkdir()
    if link == "symbolic":
        (tmp_path / "sr" / "b.png").symlink_to(first)
    elif link == "hard":
        (tmp_path / "sr" / "b.png").hardlink_to(first)
    else:
        (tmp_path / "sr").rmdir()
        (tmp_path / "sr").symlink_to(tmp_path / "in")
    content = first.read_bytes()
    result = sr("photo", "in", "--out", "sr/{name}", "--overwrite")
    assert result.exit_code == 2 and "is the input" in result.stderr
    assert first.read_bytes() == content


def test_an_output_that_exists_is_refused_alone(sr: Sr, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png", seed=1)
    (tmp_path / "sr").mkdir()
    (tmp_path / "sr" / "a_x2.png").write_text("mine")
    result = sr("photo", "a.png", "b.png", "--out", "sr")
    assert result.exit_code == 2 and "--overwrite" in result.stderr
    assert (tmp_path / "sr" / "a_x2.png").read_text() == "mine"
    assert "b_x2.png" in files_below(tmp_path / "sr")
    assert sr("photo", "a.png", "b.png", "--out", "sr", "--overwrite").exit_code == 0


def test_one_image_that_fits_no_model_is_refused_alone(sr: Sr, tmp_path: Path) -> None:
    tiff(tmp_path / "in" / "good.tif")
    write_tiff(tmp_path / "in" / "counts.tif", np.full((1, 80, 80), 500, np.uint16) + np.arange(80, dtype=np.uint16))
    result = sr("satellite", "in", "--out", "sr/", "--json")
    assert result.exit_code == 2
    (refusal,) = json.loads(result.stdout)["refusals"]
    assert refusal["error"] == "UnitError" and refusal["path"].endswith("counts.tif")
    assert "good_x2.tif" in files_below(tmp_path / "sr")


def test_memory_that_is_not_there_is_refused_with_what_would_fit(sr: Sr, tmp_path: Path) -> None:
    tiff(tmp_path / "wide.tif", shape=(1, 400, 800))
    planned = json.loads(sr("satellite", "wide.tif", "--out", "o.tif", "-n", "--json").stdout)["images"][0]["forecast"]
    tiled = json.loads(sr("satellite", "wide.tif", "--out", "o.tif", "-n", "--json", "--tile", "64").stdout)["images"][0]["forecast"]
    assert tiled["passes"] > planned["passes"] and tiled["executor"] == "tiles"
    result = sr("satellite", "wide.tif", "--out", "o.tif", "--memory", "20MB")
    assert result.exit_code == 2 and "of memory; expected at most 20.0 MB (--memory). No tile fits either" in result.stderr
    assert not (tmp_path / "o.tif").exists()


def test_what_the_machine_has_left_is_the_limit(sr: Sr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiff(tmp_path / "a.tif")
    monkeypatch.setattr("sr_core.memory.available_memory", lambda: -(1 << 40))
    result = sr("satellite", "a.tif", "--out", "o.tif")
    assert result.exit_code == 2 and "what this machine has left" in result.stderr


def test_a_full_disk_is_refused_before_the_start(sr: Sr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiff(tmp_path / "in" / "a.tif")
    tiff(tmp_path / "in" / "b.tif", seed=1)
    said = [i["forecast"] for i in json.loads(sr("satellite", "in", "--out", "sr/", "-n", "--json").stdout)["images"]]
    all_of_it = sum(f["output_bytes"] for f in said) + max(f["working_bytes"] for f in said)
    monkeypatch.setattr("sr_core.stages.forecast.free_bytes", lambda target: all_of_it - 1)
    result = sr("satellite", "in", "--out", "sr/")
    assert result.exit_code == 2 and "results of 2 images" in result.stderr and "free there" in result.stderr
    assert not (tmp_path / "sr").exists()
    monkeypatch.setattr("sr_core.stages.forecast.free_bytes", lambda target: all_of_it)
    assert sr("satellite", "in", "--out", "sr/").exit_code == 0


def test_a_fault_of_ours_in_one_image_ends_in_1_and_the_others_are_done(sr: Sr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sr_core.stages import upscale as stage

    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "b.png", seed=1)
    honest = stage.upscale

    def planted(domain: Any, source: Any, *rest: Any, **more: Any) -> Any:
        if source.path.name == "a.png":
            raise ZeroDivisionError("planted")
        return honest(domain, source, *rest, **more)

    monkeypatch.setattr(stage, "upscale", planted)
    result = sr("photo", "in", "gone.png", "--out", "sr/", "--json")
    assert result.exit_code == 1  # outweighs the missing path, which would be 2
    assert "Traceback" in result.stderr
    document = json.loads(result.stdout)
    assert [r["error"] for r in document["refusals"]] == ["InputError", "ZeroDivisionError"]
    assert len(document["images"]) == 1 and "b_x2.png" in files_below(tmp_path / "sr")


def test_a_series_goes_to_a_folder(sr: Sr, tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    first = pydicom.dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm")
    place = [float(v) for v in first.ImagePositionPatient]
    for number in range(2):
        first.SOPInstanceUID = first.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number + 1}"
        first.ImagePositionPatient = [place[0], place[1], place[2] + 5 * number]
        first.save_as(tmp_path / "ct" / f"{number}.dcm")
    result = sr("medical", "ct", "--out", "ct_x2/")
    assert result.exit_code == 0, result.output
    assert files_below(tmp_path / "ct_x2") == {"0001.dcm", "0002.dcm", "interval.dcm", "verdict.json"}
    onto = sr("medical", "ct", "--out", ".", "--overwrite")
    assert onto.exit_code == 2 and "holds an input" in onto.stderr


def test_standard_streams_are_quiet_where_no_person_looks(sr: Sr, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    lines = sr("photo", "a.png", "--out", "o.png").stderr.splitlines()
    assert len(lines) == 2 and lines[0].startswith("forecast: a.png, 0.0 million values: less than 2 s, memory up to")
    assert lines[1].startswith("upscale: a.png -> o.png")


@pytest.mark.parametrize("domain", ["satellite", "medical", "photo"])
def test_made_up_detail_is_said_on_the_screen_in_the_verdict_and_in_the_file(
    domain: str, sr: Sr, bundles: dict[str, Path], tmp_path: Path
) -> None:
    given = image_of(domain, tmp_path)
    made = {}
    for name in ("perceptual", "plain"):
        bundle = make_bundle(tmp_path / name, UNITS[domain], perceptual=True) if name == "perceptual" else bundles[domain]
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(bundles, domain, bundle)
            result = sr(domain, given, "--out", f"{name}/{{stem}}_x{{scale}}{{suffix}}")
        assert result.exit_code == 0, result.output
        made[name] = tmp_path / name / f"{given.stem}_x2{given.suffix}"
        verdict = json.loads(next((tmp_path / name).glob("*.verdict.json")).read_text())
        said = name == "perceptual"
        assert (MADE_UP in result.stdout) is (MADE_UP in verdict["reasons"]) is (verdict.get("cautions") == [MADE_UP]) is said
        assert verdict["status"] != "pass" or not said
        assert (MADE_UP in carried(domain, made[name])) is said


def carried(domain: str, path: Path) -> str:
    """Give what a file says of its making."""
    if domain == "satellite":
        with rasterio.open(path) as dataset:
            return str(dataset.tags().get("SR_CAUTION", ""))
    if domain == "medical":
        return str(pydicom.dcmread(path).DerivationDescription)
    with Image.open(path) as image:
        return str(image.info.get("sr-caution", ""))


@pytest.mark.parametrize(("worst", "code"), [("pass", 0), ("warn", 0), ("abstain", 3), ("fail", 3)])
def test_the_worst_verdict_of_several_files_decides_where_asked_to_be_strict(
    worst: str, code: int, sr: Sr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = stage._judge

    def planted(domain: Any, source: Any, *rest: Any) -> Verdict:
        made: Verdict = plain(domain, source, *rest)
        why = "its noise lies beyond what was calibrated"
        claim = withdraw(made.claim, why) if worst == "abstain" and source.path.name == "b.png" else made.claim
        update = {"status": worst, "claim": claim, "reasons": ("one", why)} if source.path.name == "b.png" else {"status": "pass"}
        return made.model_copy(update=update)

    monkeypatch.setattr(stage, "_judge", planted)
    for seed, name in enumerate("abc"):
        picture(tmp_path / f"{name}.png", seed)
    words = ("photo", "a.png", "b.png", "c.png", "--overwrite", "--out", "sr/")
    assert sr(*words).exit_code == 0  # what was asked for is done, whatever is said of it
    strict = sr(*words, "--strict")
    assert strict.exit_code == code
    assert "  - its noise lies beyond what was calibrated\n" in strict.stdout  # every reason, not the first only
    assert strict.stdout.count("Do not use it as a bound") == (1 if worst == "abstain" else 0)
    assert strict.stdout.count("the interval held") == 1  # the claim of the others is still said
    document = json.loads(sr(*words, "--strict", "--json").stdout)
    assert [image["verdict"]["status"] for image in document["images"]] == ["pass", worst, "pass"]
    checks = [check for check in document["images"][0]["verdict"]["checks"] if check["threshold"] is not None]
    assert checks and all(check["threshold_source"] and check["sentence"] and "bicubic" in check for check in checks)
