"""The reference models, from files to packaged bundles; with --ship those that come with the package are put into it.

`general-x2` and `general-x4` learn from photographs (T91, BSDS) whose terms allow experiments only: they are for comparison, lie in the
workspace and cannot be shipped. `satellite-x2`, `satellite-x4` and `face-x4` learn only from data that may be used for what is handed out.
Scenes are brought to standard scores first, each by a scale and an offset in its header, so that the model serves scenes of any unit.

Networks are EDSR 8 x 32, band-wise over the fitted filter, trained with Muon, for the domain's default degradation and split.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import rasterio

from domains.satellite.domain import DOMAIN as SATELLITE
from flows.console import RichLog
from flows.domains import load_domain
from sr_core.domain import Domain
from sr_core.errors import InputError, SRError
from sr_core.log import Log, Silent
from sr_core.recipe import Recipe
from sr_core.records import StoreRef
from sr_core.stages.calibrate import calibrate
from sr_core.stages.evaluate import evaluate, load_evaluation
from sr_core.stages.gate import gate
from sr_core.stages.ingest import ingest
from sr_core.stages.package import package
from sr_core.stages.prepare import prepare
from sr_core.stages.standard import STANDARD_SCORE, moments_of
from sr_core.stages.train import train
from sr_core.workspace import Workspace, write_atomic

ROOT = Path(__file__).resolve().parent.parent
LICENCE = "Apache-2.0, as the package; the terms of the training data ask for the credits"
SENTINEL = "Contains modified Copernicus Sentinel data"
SHIPPED = (
    "bundle.json", "weights.safetensors", "probe.safetensors", "training.json", "calibration.json", "evaluation.json", "precision.json",
    "card.md",
)  # fmt: skip
PROBE_STEPS = (10, 40)


@dataclass(frozen=True)
class Reference:
    """What a reference model learns from.

    Attributes
    ----------
    domain : whose stages make it.
    paths : files and folders below the data folder.
    scale : SR pixels per LR pixel.
    credits : sentences that the data's terms ask for; empty: its terms do not allow handing out what learned from it.
    standard : bring the files to standard scores first.
    """

    domain: str
    paths: tuple[str, ...]
    scale: int
    credits: tuple[str, ...] = ()
    standard: bool = False


SCENES = (
    "australia_sentinel2_20190105.tif", "bangladesh_sentinel2_20200127.tif", "canberra_landsat5_19920323.tif",
    "greenland_landsat8_20150101.tif", "italy_sentinel2_20190416.tif", "japan_landsat8_overview_20150502.tif",
    "mexico_landsat7_19991118.tif", "northdakota_naip_20140720.tif", "patagonia_sentinel2_10m.tif", "patagonia_sentinel2_20m.tif",
    "virginia_naip.tif",
)  # fmt: skip
SCENE_CREDITS = (
    f"{SENTINEL} (2019, 2020)",
    "Landsat 7 and 8 images courtesy of the U.S. Geological Survey",
    "Landsat 5 surface reflectance: Geoscience Australia, CC BY 4.0",
    "NAIP imagery: U.S. Department of Agriculture, public domain",
)
PORTRAIT_CREDITS = ("Official portraits of members of the US Congress, public domain, collected by the project unitedstates/images",)
PHOTOGRAPHS = ("sr_train/T91", "sr_train/BSDS")
REFERENCES: Mapping[str, Reference] = {
    "satellite-x2": Reference("satellite", tuple(f"satellite/{name}" for name in SCENES), 2, SCENE_CREDITS, standard=True),
    "satellite-x4": Reference("satellite", tuple(f"satellite/{name}" for name in SCENES), 4, SCENE_CREDITS, standard=True),
    "face-x4": Reference("face", ("face/congress",), 4, PORTRAIT_CREDITS),
    "general-x2": Reference("photo", PHOTOGRAPHS, 2),
    "general-x4": Reference("photo", PHOTOGRAPHS, 4),
}


def recipe_of(domain: Domain, reference: Reference) -> Recipe:
    """Give the recipe, but for its steps."""
    return domain.recipe().with_overrides(
        {
            "scale": reference.scale, "training.optimiser": "muon", "training.rate": 1e-3, "training.validate_every": 300,
            "training.checkpoint_every": 300, "spread.steps": 400, "storage": "float16", "licence": LICENCE if reference.credits else "",
            "credits": reference.credits,
        }
    )  # fmt: skip


def standardised(files: list[Path], folder: Path, log: Log) -> list[Path]:
    """Copy scenes with a scale and an offset in their headers by which their values are standard scores; stored values stay."""
    folder.mkdir(parents=True, exist_ok=True)
    sources, refusals = SATELLITE.for_upscaling().discover(files, log)
    if refusals:
        raise InputError(refusals[0].says(), "scenes that can be read", "Check SR_DATA.")
    made = []
    for source in sources:
        with SATELLITE.open(source) as scene:
            moments, encoding = moments_of(scene), scene.encoding
        copy = folder / source.path.name
        if not copy.exists():
            working = folder / f".{source.path.name}.partial"
            shutil.copyfile(source.path, working)
            with rasterio.open(working, "r+") as dataset:
                dataset.scales = (encoding.scale / moments.std,) * dataset.count
                dataset.offsets = ((encoding.offset - moments.mean) / moments.std,) * dataset.count
                dataset.units = (STANDARD_SCORE,) * dataset.count
            working.rename(copy)
        made.append(copy)
    return made


def steps_within(minutes: float, store: StoreRef, recipe: Recipe, workspace: Workspace) -> int:
    """Say how many steps fit into so many CPU minutes, from two short trainings that differ in steps only.

    The answer is kept in the workspace, so that a stopped run goes on with as many.
    """
    kept = workspace.root / "steps" / f"{store.hash[:16]}-{recipe.digest()[:16]}-{minutes:g}"
    if kept.is_file():
        return int(kept.read_text())
    seconds = []
    for steps in PROBE_STEPS:
        settings = {"training.steps": steps, "training.validate_every": 10_000, "spread.steps": 1}
        with tempfile.TemporaryDirectory() as temporary:
            began = time.process_time()
            train(store, recipe=recipe.with_overrides(settings), workspace=Workspace(Path(temporary)), log=Silent())
            seconds.append(time.process_time() - began)
    per_step = max(1e-3, (seconds[1] - seconds[0]) / (PROBE_STEPS[1] - PROBE_STEPS[0]))
    steps = max(PROBE_STEPS[1], int(60 * minutes / per_step) // 10 * 10)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(kept, str(steps).encode())
    return steps


def make(name: str, data: Path, workspace: Workspace, minutes: float, steps: int | None, ship: bool, log: Log) -> None:
    """Train, calibrate, measure, judge and package one model, and ship it if asked for."""
    reference = REFERENCES[name]
    if ship and not reference.credits:
        reason = "The terms of its training data allow experiments only."
        raise InputError(f"{name} cannot be shipped", "a model of data that may be used for what is handed out", reason)
    domain = load_domain(reference.domain)
    files = [data / path for path in reference.paths]
    if reference.standard:
        files = standardised(files, workspace.root / "standard", log)
    recipe = recipe_of(domain, reference)
    manifest = ingest(domain, files, recipe=recipe, workspace=workspace, log=log)
    store = prepare(domain, manifest, recipe=recipe, workspace=workspace, log=log)
    if steps is None:
        steps = steps_within(minutes, store, recipe, workspace)
    log.say(f"{name}: {steps} steps")
    recipe = recipe.with_overrides({"training.steps": steps})
    began = time.process_time()
    bundle = train(store, recipe=recipe, workspace=workspace, log=log)
    log.say(f"{name}: trained in {(time.process_time() - began) / 60:.1f} CPU minutes")
    calibrated = calibrate(domain, manifest, bundle, recipe=recipe, workspace=workspace, log=log)
    evaluated = evaluate(domain, manifest, calibrated, champion=None, recipe=recipe, workspace=workspace, log=log)
    decision = gate(domain, evaluated, family=bundle.family, approved_by=None, champion_level=None, log=log)
    packaged = package(calibrated, evaluated, decision, workspace=workspace, log=log)
    content = load_evaluation(evaluated)
    figures = ", ".join(f"{method} {content.mean_psnr_db(method):.2f} dB" for method in content.methods())
    log.say(f"{name}: {figures}; bundle {packaged.path}")
    if ship:
        if not decision.register_it:
            raise InputError(f"{name} cannot be shipped", "a model that the gate would register", decision.sentence)
        ship_into(ROOT / "domains" / reference.domain / "models" / f"x{reference.scale}", packaged.path)
        log.say(f"{name}: shipped")


def ship_into(folder: Path, bundle: Path) -> None:
    """Put what a bundle needs into the package, in place of what was there."""
    working = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(working, ignore_errors=True)
    working.mkdir(parents=True)
    for name in SHIPPED:
        if (bundle / name).is_file():
            shutil.copyfile(bundle / name, working / name)
    shutil.rmtree(folder, ignore_errors=True)
    working.rename(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=REFERENCES, action="append", help="one model; repeatable (default: all)")
    parser.add_argument("--minutes", type=float, default=10.0, help="CPU minutes of training a model (default 10)")
    parser.add_argument("--steps", type=int, help="training steps instead, so that a run can be repeated")
    parser.add_argument("--workspace", type=Path, default=ROOT / "var" / "reference")
    parser.add_argument("--ship", action="store_true", help="put the models that may be handed out into the package")
    given = parser.parse_args()
    data = Path(os.environ.get("SR_DATA", ROOT.parent / "shared" / "data"))
    with RichLog() as log:
        for name in given.only or REFERENCES:
            may = given.ship and (bool(given.only) or bool(REFERENCES[name].credits))
            try:
                make(name, data, Workspace(given.workspace.resolve()), given.minutes, given.steps, may, log)
            except SRError as error:
                print(f"{name}: {error}", file=sys.stderr)
                return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
