"""Hostile scenes on the command line: one sentence each, exit code 2, no traceback, and the good scene beside them is upscaled."""

from __future__ import annotations

import json
import os
from pathlib import Path

import hostile_rasters
import pytest
from click.testing import Result
from hostile_rasters import CASES, Hostile
from hostile_vrts import VRTS
from made_bundle import make_bundle
from made_scenes import write_tiff
from typer.testing import CliRunner

from flows.cli.main import app
from sr_core.errors import SRError
from sr_core.stages.standard import STANDARD_SCORE

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "x2", STANDARD_SCORE)


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SR_WORKSPACE", str(tmp_path / "var"))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)


def sr(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def assert_refused(result: Result) -> None:
    assert isinstance(result.exception, SRError | SystemExit), result.exception
    assert (result.exception.exit_code if isinstance(result.exception, SRError) else result.exit_code) == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_alone_is_refused_before_anything_is_written(case: Hostile, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    case.make(tmp_path / "in" / "bad.tif")
    assert_refused(sr("upscale", "satellite", "in", "--out", "out/{stem}.tif", "--bundle", bundle))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("make", [hostile_rasters.pipe, hostile_rasters.link_in_a_circle, hostile_rasters.link_to_nothing])
@pytest.mark.parametrize("kind", [("satellite",), ()])
def test_what_is_no_file_is_refused_by_name_without_waiting(make: object, kind: tuple[str, ...], bundle: Path, tmp_path: Path) -> None:
    make(tmp_path / "bad.tif")  # type: ignore[operator]
    assert_refused(sr("upscale", *kind, "bad.tif", "--out", "out.tif", "--bundle", bundle))
    assert sorted(path.name for path in tmp_path.iterdir() if not path.is_symlink()) in ([], ["bad.tif"])


@pytest.mark.parametrize("name", ["GTIFF_DIR:1:good.tif", "vrt://good.tif", "/vsizip/a.zip/b.tif", "<VRTDataset/>", "NETCDF:good.tif:b"])
def test_names_of_data_sets_inside_of_files_are_no_files(name: str, bundle: Path, tmp_path: Path) -> None:
    write_tiff(tmp_path / "good.tif", hostile_rasters.noise())
    result = sr("upscale", "satellite", name, "--out", "out.tif", "--bundle", bundle)
    assert_refused(result)
    assert not (tmp_path / "out.tif").exists()


def test_the_good_one_among_all_of_them(bundle: Path, tmp_path: Path) -> None:
    for case in CASES:
        (tmp_path / "in" / case.name).mkdir(parents=True)
        case.make(tmp_path / "in" / case.name / "bad.tif")
    for name, vrt in VRTS.items():
        (tmp_path / "in" / f"{name}.vrt").write_text(vrt.text)
    write_tiff(tmp_path / "in" / "good.tif", hostile_rasters.noise())
    result = sr("upscale", "satellite", "in", "--out", "out/{stem}.tif", "--bundle", bundle, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert len(document["refusals"]) == len(CASES) + len(VRTS)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "good.interval.tif", "good.stac.json", "good.tif", "good.verdict.json",
    ]  # fmt: skip
    assert "Traceback" not in result.stderr and not os.path.lexists("/tmp/owned")
