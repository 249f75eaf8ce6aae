"""Files that lie: each becomes a refusal with one sentence, none costs much, none stops the others."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hostile_rasters
import numpy as np
import pytest
from hostile_rasters import CASES, HARMLESS, Hostile, noise
from hostile_vrts import VRTS, mosaic
from made_scenes import write_tiff

from domains.satellite.domain import DOMAIN
from domains.satellite.read import GeoScene, discover
from domains.satellite.virtual import read_mosaic
from sr_core.errors import InputError
from sr_core.log import Silent
from sr_core.raster import Window

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

MOST_MEMORY = 500 << 10  # KiB of a whole process that looks at all of them: 80 MiB of Python and rasterio, a cache of 256 MiB
AUX = """<PAMDataset><SRS>EPSG:4326</SRS><GeoTransform>0, 9, 0, 0, 0, -9</GeoTransform>
<PAMRasterBand band="1"><NoDataValue>7</NoDataValue><Scale>100</Scale></PAMRasterBand></PAMDataset>"""
LOOKING = """
import re, sys
from pathlib import Path
from domains.satellite.read import GeoScene, discover
from domains.satellite.virtual import read_mosaic
from sr_core.log import Silent
sources, refusals = discover([Path(sys.argv[1])], Silent())
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())  # ru_maxrss would count what the parent held
print(len(sources), len(refusals), peak[1])
"""


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_refused_with_a_sentence(tmp_path: Path, case: Hostile) -> None:
    case.make(tmp_path / "bad.tif")
    write_tiff(tmp_path / "good.tif", noise() + np.uint8(1))
    sources, refusals = DOMAIN.discover([tmp_path], Silent())
    assert [s.path.name for s in sources] == ["good.tif"]
    (refusal,) = refusals
    assert refusal.error == case.error
    assert re.search(case.reason, refusal.sentence), refusal.sentence
    assert "; expected " in refusal.sentence and refusal.sentence.endswith((".", "tif"))
    assert refusal.sentence.isprintable() and "passwd" not in refusal.sentence


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_no_question_to_the_domain_raises(tmp_path: Path, case: Hostile) -> None:
    case.make(tmp_path / "bad.tif")
    assert DOMAIN.recognises(tmp_path / "bad.tif") in (True, False)
    assert DOMAIN.provenance(tmp_path / "bad.tif") == {}


@pytest.mark.parametrize("make", HARMLESS, ids=[make.__name__ for make in HARMLESS])
def test_lies_that_cost_nothing(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "odd.tif")
    (source,), refusals = discover([tmp_path], Silent())
    assert not refusals and source.shape == (1, 90, 100)


def test_all_of_them_together_take_little_memory_and_end(tmp_path: Path) -> None:
    for case in CASES:
        (tmp_path / case.name).mkdir()
        case.make(tmp_path / case.name / "bad.tif")
    write_tiff(tmp_path / "good.tif", noise())
    command = [sys.executable, "-W", "ignore", "-c", LOOKING, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    sources, refusals, peak = map(int, done.stdout.split())
    assert (sources, refusals) == (1, len(CASES))
    assert peak < MOST_MEMORY
    assert "Traceback" not in done.stderr and "UnicodeDecodeError" not in done.stderr


@pytest.mark.parametrize("name", VRTS)
def test_a_virtual_raster_names_files_of_its_folder_only(tmp_path: Path, name: str) -> None:
    vrt = VRTS[name]
    folder = tmp_path / "given"
    folder.mkdir()
    (tmp_path / "other").mkdir()
    write_tiff(tmp_path / "other" / "secret.tif", noise())
    write_tiff(folder / "good.tif", noise())
    (folder / "words.txt").write_text("words")
    (folder / "way.out").symlink_to(tmp_path / "other" / "secret.tif")
    (folder / f"{name}.vrt").write_text(vrt.text)
    sources, refusals = DOMAIN.discover([folder], Silent())
    assert [s.path.name for s in sources] == ["good.tif"]
    (refusal,) = refusals
    assert refusal.error == "InputError" and vrt.reason in refusal.sentence, refusal.sentence
    assert refusal.sentence.isprintable() and "root:" not in refusal.sentence


def test_a_plain_mosaic_passes_and_says_what_it_is_made_of(tmp_path: Path) -> None:
    from rasterio.shutil import copy

    (tmp_path / "parts").mkdir()
    write_tiff(tmp_path / "parts" / "a.tif", noise(bands=2), nodata=0)
    copy(tmp_path / "parts" / "a.tif", tmp_path / "m.vrt", driver="VRT")
    assert read_mosaic(tmp_path / "m.vrt").sources == ((tmp_path / "parts" / "a.tif").resolve(),)
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "m.vrt").write_text((tmp_path / "m.vrt").read_text().replace("parts/a.tif", "../parts/a.tif"))
    with pytest.raises(InputError, match="leads out of its folder"):
        read_mosaic(tmp_path / "beside" / "m.vrt")


def test_a_virtual_raster_is_opened_as_it_was_checked(tmp_path: Path) -> None:
    """GDAL would stop reading the name at the comment, and open what lies beside the folder."""
    write_tiff(tmp_path / "a.tif", noise() // np.uint8(2))
    folder = tmp_path / "a.tif.parts"
    folder.mkdir()
    write_tiff(folder / "b.tif", noise())
    (folder / "m.vrt").write_text(mosaic(f"{tmp_path}/a.tif<!-- -->.parts/b.tif", 0).replace('YSize="100"', 'YSize="90"'))
    (source,), _ = discover([folder / "m.vrt"], Silent())
    with GeoScene(source) as scene:
        assert np.array_equal(scene.read(Window(0, 0, 90, 100)).pixels, noise().astype(np.float32))


def test_side_files_are_not_believed(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", noise())
    (alone,), _ = discover([path], Silent())
    (tmp_path / "a.tif.aux.xml").write_text(AUX)
    (tmp_path / "a.tfw").write_text("9\n0\n0\n-9\n1\n2\n")
    write_tiff(tmp_path / "overviews.dat", noise(45, 50)).rename(tmp_path / "a.tif.ovr")
    write_tiff(tmp_path / "mask.dat", np.zeros((1, 90, 100), np.uint8)).rename(tmp_path / "a.tif.msk")
    (among_liars,), refusals = discover([tmp_path], Silent())
    assert among_liars == alone and not refusals
    with DOMAIN.open(among_liars) as scene:
        raster = scene.read(Window(0, 0, 90, 100))
    assert raster.mask.all() and np.array_equal(raster.pixels, noise().astype(np.float32))


def test_the_environment_cannot_make_a_damaged_file_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile_rasters.truncated_strips(tmp_path / "bad.tif")
    monkeypatch.setenv("GTIFF_IGNORE_READ_ERRORS", "YES")
    sources, (refusal,) = discover([tmp_path], Silent())
    assert not sources and "cannot be decoded" in refusal.sentence


def test_a_folder_named_like_a_scene_is_searched_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "scene.tif").mkdir()
    write_tiff(tmp_path / "scene.tif" / "a.tif", noise())
    sources, refusals = discover([tmp_path], Silent())
    assert [s.path.name for s in sources] == ["a.tif"] and not refusals


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", noise()).chmod(0)
    sources, (refusal,) = discover([tmp_path], Silent())
    assert not sources and "Permission denied" in refusal.sentence


def test_name_that_is_no_utf8_can_be_recorded(tmp_path: Path) -> None:
    hostile_rasters.name_that_is_no_utf8(tmp_path / "a.tif")
    _, (refusal,) = discover([tmp_path], Silent())
    assert "na?ve.tif" in refusal.to_json()


@pytest.mark.parametrize("name", ["odd name ü.tif", "-x.tif", "a:b.tif"])
def test_odd_names_are_read(tmp_path: Path, name: str) -> None:
    write_tiff(tmp_path / "plain.tif", noise()).rename(tmp_path / name)
    sources, refusals = discover([tmp_path], Silent())
    assert len(sources) == 1 and not refusals
