"""What a user gets wrong ends in one sentence and exit code 2; nothing half-written is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.long


def write_tiff(path: Path, pixels: np.ndarray[Any, Any], nodata: float | None = None) -> Path:
    import warnings

    import rasterio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bands, height, width = pixels.shape
        profile = {"driver": "GTiff", "height": height, "width": width, "count": bands, "dtype": pixels.dtype.name, "nodata": nodata}
        with rasterio.open(path, "w", **profile) as file:
            file.write(pixels)
    return path


def broken(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.tif"
    values = np.random.default_rng(0).integers(1, 4000, (2, 300, 300), dtype=np.uint16)
    if kind == "text":
        path.write_text("this is not a picture\n")
    elif kind == "truncated":
        whole = write_tiff(folder / "whole.dat", values).read_bytes()
        path.write_bytes(whole[: len(whole) // 3])
        (folder / "whole.dat").unlink()
    elif kind == "nodata":
        write_tiff(path, np.zeros_like(values), nodata=0)
    elif kind == "tiny":
        write_tiff(path, values[:, :20, :20])
    elif kind == "empty":
        path.write_bytes(b"")
    return path


def assert_one_sentence(done: Any) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("sr: ") and "; expected " in last


@pytest.mark.parametrize("kind", ["text", "truncated", "nodata", "tiny", "empty", "missing"])
def test_a_file_that_cannot_be_used(kind: str, tmp_path: Path, program: Any) -> None:
    path = broken(kind, tmp_path)
    assert_one_sentence(program(["sr", "train", "satellite", str(path), "-w", str(tmp_path / "var")], tmp_path))
    assert not list((tmp_path / "var").rglob("record.json")) if (tmp_path / "var").exists() else True


def test_a_flow_says_it_in_the_same_words_without_prefects_traceback(tmp_path: Path, program: Any) -> None:
    path = broken("text", tmp_path)
    assert_one_sentence(program(["sr", "run", "satellite", str(path), "-w", str(tmp_path / "var")], tmp_path))


def test_one_bad_file_does_not_stop_the_others(demo: Any, tmp_path: Path, program: Any) -> None:
    scene = next((demo.workspace / "demo" / "satellite").glob("*.tif"))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good.tif").write_bytes(scene.read_bytes())
    broken("text", tmp_path / "in")
    done = program(["sr", "ingest", "satellite", "in", "-w", "var"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 images, 1 refused" in done.stdout and "text.tif" in done.stderr


@pytest.mark.parametrize("out", ["/proc/nowhere/out.tif", "file/out.tif"])
def test_an_output_that_cannot_be_written(out: str, demo: Any, tmp_path: Path, program: Any) -> None:
    (tmp_path / "file").write_text("")
    scene = next((demo.workspace / "demo" / "satellite").glob("*.tif"))
    assert_one_sentence(program(["sr", "upscale", "satellite", str(scene), "--out", out, "-w", str(demo.workspace)], tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_upscaling_without_a_champion(tmp_path: Path, demo: Any, program: Any) -> None:
    scene = next((demo.workspace / "demo" / "satellite").glob("*.tif"))
    words = ["sr", "upscale", "satellite", str(scene), "--out", "x.tif"]
    nothing_of_the_kind = program([*words, "--scale", "3", "-w", str(tmp_path / "var")], tmp_path)  # none registered, none shipped
    assert_one_sentence(nothing_of_the_kind)
    assert_one_sentence(program([*words, "-w", str(demo.workspace), "--model", "sr-satellite@previous"], tmp_path))
    assert_one_sentence(program([*words, "--bundle", str(tmp_path)], tmp_path))
