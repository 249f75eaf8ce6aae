"""What every installed domain must keep. A new domain is tested here by its entry point alone."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

from sr_core.domain import ByBandName, Domain, OutputPlan
from sr_core.errors import InputError, OutputError, ShapeError, SRError
from sr_core.log import Silent
from sr_core.raster import Raster, Window, windows
from sr_core.recipe import Recipe
from sr_core.records import SPLITS, Record, Source
from sr_core.trust.claim import no_claim
from sr_core.trust.verdict import LEVELS, Verdict, judge

INSTALLED = sorted({e.value for e in entry_points(group="sr.domains")}) or [
    f"domains.{name}.domain:DOMAIN" for name in ("face", "medical", "photo", "satellite")
]
HEAVY = ("torch", "rasterio", "pydicom", "highdicom", "PIL", "skimage", "scipy", "matplotlib", "prefect", "mlflow")
GAP, SCALE = 16, 2
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module", params=INSTALLED, ids=lambda value: value.partition(":")[0].split(".")[-2])
def domain(request: pytest.FixtureRequest) -> Domain:
    module, _, name = request.param.partition(":")
    loaded: Domain = getattr(importlib.import_module(module), name)
    return loaded


@pytest.fixture(scope="module")
def demo(domain: Domain, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    try:
        return domain.demo(tmp_path_factory.mktemp(domain.name))
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def sources(domain: Domain, demo: list[Path]) -> list[Source]:
    found, refusals = domain.discover(demo, Silent())
    assert found, refusals
    return found


@pytest.fixture(scope="module")
def source(sources: list[Source]) -> Source:
    return min(sources, key=lambda s: (s.shape[0] * s.shape[1] * s.shape[2], s.sha256))


def plan(source: Source, folder: Path, overwrite: bool = False) -> OutputPlan:
    """A target of the same kind as the source: a file of its name, or a folder for a series."""
    target = folder / source.path.name
    tags = {"SR_CALIBRATION": "none"}
    return OutputPlan(target, SCALE, "model 0123", "bicubic x2", "none", tags, overwrite=overwrite)


def verdict(domain: Domain) -> Verdict:
    return judge(no_claim("There is no calibration.", group_kind=domain.group_kind, operator="0" * 64), [])


def upscale(domain: Domain, source: Source, target: OutputPlan) -> tuple[tuple[Path, ...], dict[Window, Raster]]:
    told: dict[Window, Raster] = {}
    with domain.open(source) as scene, domain.create(source, target) as writer:
        _, height, width = source.shape
        for row in range(0, height, 256):
            window = Window(row, 0, min(256, height - row), width)
            raster = scene.read(window)
            mean = raster.pixels.repeat(SCALE, axis=1).repeat(SCALE, axis=2)
            mask = raster.mask.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
            step = scene.encoding.step or 1e-3
            writer.write(window.scaled(SCALE), mean, mask, np.full_like(mean, 3 * step), np.zeros_like(raster.pixels))
        for window in windows(*source.shape[1:], 256):
            told[window] = writer.reread(window.scaled(SCALE))
        files = writer.finish(verdict(domain))
    return tuple(f.path for f in files), told


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_names(domain: Domain) -> None:
    assert domain.name and domain.name.islower() and domain.group_kind
    assert domain.sensitivity.minimum_level in LEVELS and domain.sensitivity.minimum_test_groups >= 1
    assert bool(domain.sensitivity.approver) == domain.sensitivity.needs_approval


@pytest.mark.parametrize("value", INSTALLED, ids=lambda value: value.partition(":")[0].split(".")[-2])
def test_import_is_light(value: str) -> None:
    module = value.partition(":")[0]
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "[]"


def test_recipe_and_operators(domain: Domain) -> None:
    recipe = domain.recipe()
    assert isinstance(recipe, Recipe) and recipe.domain == domain.name
    operators = domain.operators()
    assert next(iter(operators)) == recipe.operator
    for make in operators.values():
        operator = make.for_names(SCALE, make.names) if isinstance(make, ByBandName) else make(SCALE)
        assert SCALE in operator.scale and operator.describe()


def test_checks_have_different_names(domain: Domain) -> None:
    names = [check.name for check in domain.checks()]
    assert len(names) == len(set(names))


def test_demo_files_are_the_same_every_time(domain: Domain, demo: list[Path], tmp_path: Path) -> None:
    def files(paths: list[Path]) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for path in paths for p in (everything(path) if path.is_dir() else [path]) if p.is_file()}

    assert files(domain.demo(tmp_path / "again")) == files(demo)
    assert not [p for p in everything(tmp_path) if "partial" in p.name]


def test_sources_describe_what_is_read(domain: Domain, sources: list[Source]) -> None:
    for source in sources:
        assert source.group.kind == domain.group_kind and source.unit and source.path.exists() and len(source.sha256) == 64
        with domain.open(source) as scene:
            assert scene.shape == source.shape and scene.bands == source.bands and scene.unit == source.unit
            assert scene.encoding.dtype == source.dtype or scene.encoding.is_integer
            raster = scene.read(Window(0, 0, 5, 7))
        assert raster.pixels.shape == (source.shape[0], 5, 7) and raster.pixels.dtype == np.float32
        assert np.isfinite(raster.pixels[:, raster.mask]).all()


def test_discovery_is_repeatable(domain: Domain, demo: list[Path], sources: list[Source]) -> None:
    again, _ = domain.discover(demo, Silent())
    assert [s.digest() for s in again] == [s.digest() for s in sources]


def test_windows_are_pieces_of_the_whole(domain: Domain, source: Source) -> None:
    _, height, width = source.shape
    with domain.open(source) as scene:
        whole = scene.read(Window(0, 0, height, width))
        piece = scene.read(Window(height // 3, width // 4, height // 2, width // 2))
    rows, cols = Window(height // 3, width // 4, height // 2, width // 2).slices()
    np.testing.assert_array_equal(piece.pixels, whole.pixels[:, rows, cols])
    np.testing.assert_array_equal(piece.mask, whole.mask[rows, cols])
    low, high = whole.valid_range
    assert low <= whole.pixels[:, whole.mask].min() and whole.pixels[:, whole.mask].max() <= high


def test_window_that_leaves_the_image(domain: Domain, source: Source) -> None:
    with domain.open(source) as scene, pytest.raises(ShapeError):
        scene.read(Window(source.shape[1] - 3, 0, 4, 4))


def test_stored_values_survive_decoding(domain: Domain, source: Source) -> None:
    with domain.open(source) as scene:
        raster, encoding = scene.read(Window(0, 0, *source.shape[1:])), scene.encoding
    again = encoding.decode(encoding.encode(raster.pixels))
    np.testing.assert_array_equal(again[:, raster.mask], raster.pixels[:, raster.mask])


def test_split_cuts_no_group(domain: Domain, sources: list[Source]) -> None:
    split = domain.split(sources, SCALE, GAP, 1)
    split.check(GAP)
    assert all(split.part(name) for name in SPLITS)
    assert split.digest() == domain.split(list(reversed(sources)), SCALE, GAP, 1).digest() or split.notes


def test_upscaled_image_is_read_again(domain: Domain, source: Source, tmp_path: Path) -> None:
    target = plan(source, tmp_path / "out")
    files, told = upscale(domain, source, target)
    assert target.target in files and all(path.exists() for path in files)
    assert any("verdict" in path.name or path.suffix == ".json" for path in everything(tmp_path / "out"))
    assert not [p for p in everything(tmp_path / "out") if "partial" in p.name]
    with domain.open(source) as scene:
        for window, raster in told.items():
            before = scene.read(window)
            expected = before.pixels.repeat(SCALE, axis=1).repeat(SCALE, axis=2)
            use = raster.mask
            np.testing.assert_array_equal(use, before.mask.repeat(SCALE, axis=0).repeat(SCALE, axis=1))
            slack = 6.0 if source.geometry.startswith("JPEG") else 1e-3 * max(1.0, scene.encoding.step)
            assert np.abs(raster.pixels - expected)[:, use].max() <= slack
            assert raster.unit == before.unit


def test_an_exception_leaves_nothing(domain: Domain, source: Source, tmp_path: Path) -> None:
    target = plan(source, tmp_path / "out")
    with pytest.raises(RuntimeError), domain.create(source, target):
        raise RuntimeError("the network broke")
    assert everything(tmp_path / "out") == [] or not (tmp_path / "out").exists()


def test_existing_target_and_input_are_kept(domain: Domain, source: Source, tmp_path: Path) -> None:
    taken = plan(source, tmp_path)
    taken.target.write_bytes(b"mine")
    with pytest.raises(OutputError), domain.create(source, taken):
        pass
    assert taken.target.read_bytes() == b"mine"
    with pytest.raises(OutputError), domain.create(source, plan(source, source.path.parent, overwrite=True)):
        pass
    assert source.path.exists()


def test_unwritable_folder(domain: Domain, source: Source, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError) as caught, domain.create(source, plan(source, tmp_path / "file" / "below")):
        pass
    assert "; expected " in str(caught.value)


def test_missing_path(domain: Domain, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        domain.discover([tmp_path / "nowhere"], Silent())


def test_empty_folder(domain: Domain, tmp_path: Path) -> None:
    assert domain.discover([tmp_path], Silent()) == ([], [])


def hostile(folder: Path, demo: list[Path]) -> Iterator[Path]:
    """Make broken relatives of the domain's own demonstration files."""
    original = next(p for path in demo for p in ([path] if path.is_file() else sorted(path.rglob("*"))) if p.is_file())
    data = original.read_bytes()
    for name, content in (
        ("empty", b""),
        ("text", b"hello\n" * 500),
        ("cut", data[: len(data) // 3]),
        ("head", data[:200]),
        ("noise", data[:140] + np.random.default_rng(0).bytes(3000)),
    ):
        path = folder / (name + (original.suffix or ".bin"))
        path.write_bytes(content)
        yield path


def test_broken_files_become_refusals(domain: Domain, demo: list[Path], tmp_path: Path) -> None:
    paths = list(hostile(tmp_path, demo))
    found, refusals = domain.discover([*paths, *demo], Silent())
    assert {r.path.name for r in refusals} >= {p.name for p in paths if p.stem in ("empty", "text", "cut")}
    assert found and not {s.path.name for s in found} & {"empty", "text"}
    for refusal in refusals:
        assert "; expected " in refusal.sentence and "\n" not in refusal.sentence and "Traceback" not in refusal.sentence
        assert isinstance(refusal, Record) and refusal.to_json()


def test_errors_are_of_the_project(domain: Domain, demo: list[Path], tmp_path: Path, sources: list[Source]) -> None:
    for path in hostile(tmp_path, demo):
        fake = sources[0].model_copy(update={"path": path, "members": ()})
        with pytest.raises(SRError), domain.open(fake) as scene:
            scene.read(Window(0, 0, *sources[0].shape[1:]))


def test_it_says_of_any_file_whether_it_is_its_own(domain: Domain, tmp_path: Path) -> None:
    for name, content in (
        ("empty", b""),
        ("text.tif", b"no image"),
        ("short.dcm", b"\0" * 128 + b"DIC"),
        ("picture.png", b"\x89PNG\r\n\x1a\n"),
    ):
        (tmp_path / name).write_bytes(content)
        assert domain.recognises(tmp_path / name) is False
    assert domain.recognises(tmp_path / "gone") is False
    (tmp_path / "slice").write_bytes(b"\0" * 128 + b"DICM")
    assert domain.recognises(tmp_path / "slice") is (domain.name == "medical")


def test_what_it_ships_is_there(domain: Domain) -> None:
    for scale, folder in domain.shipped().items():
        assert 2 <= scale <= 8 and (folder / "bundle.json").is_file()
