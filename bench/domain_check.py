"""What the domain check sees: images shifted in known ways, held against validation images. CPU time, one thread. Needs SR_DATA.

Photographs: a small model, trained, calibrated and tested on pictures apart. The models that come with the package: their own kind of
image, and images of another kind. Shares are of single images; D is of batches of ten units that are drawn from the tested ones, held
against one calibration. False alarms: clean units that neither trained nor validated, parted by lot into calibration and batch.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from held_back import DATA, there, whole
from PIL import Image
from reference import REFERENCES, recipe_of

from domains.face.domain import DOMAIN as FACE
from domains.medical.domain import MedicalDomain
from domains.photo.domain import DOMAIN as PHOTO
from domains.satellite.domain import DOMAIN as SATELLITE
from sr_core.domain import Domain
from sr_core.log import Silent
from sr_core.operators import make_operator
from sr_core.raster import Float32Array, Raster, Window
from sr_core.records import Manifest, ManifestRef, Source, Split
from sr_core.stages.calibrate import calibrate
from sr_core.stages.ingest import MANIFEST, ingest, load_manifest
from sr_core.stages.inside import figures_of
from sr_core.stages.prepare import prepare
from sr_core.stages.regions import reader_of
from sr_core.stages.restore import Restorer
from sr_core.stages.train import train
from sr_core.trust.declared import differences
from sr_core.trust.domain_check import DomainFit, drift_of, fit_domain
from sr_core.trust.statistics import Figures
from sr_core.workspace import Workspace

PARTS = {"train": 30, "val": 44, "calibration": 30, "test": 30}
SETTINGS = {
    "training.steps": 350,
    "training.log_every": 200,
    "training.checkpoint_every": 2000,
    "training.validate_every": 350,
    "spread.steps": 150,
}
BATCH = 10
BATCHES = 100
PARTED = ((11, 5), (11, 10), (30, 5), (30, 10), (30, 20))  # units of a calibration and of a clean batch
PARTINGS = 400
CENTRE = 96  # LR px of the part of a picture on which the interval is held against the truth
LARGEST = 512  # HR px
PLACES = 4  # decimal places of shares

Measure = Callable[[Float32Array, np.random.Generator], Float32Array]  # HR (C, H, W) of even sides to a measurement


@dataclass(frozen=True)
class Shift:
    """A way to come by a measurement that was not calibrated; `quality`: it is stored as a JPEG file."""

    measure: Measure
    quality: int | None = None


def by(kind: str, **parameters: float) -> Measure:
    """Measure by another degradation."""
    operator = make_operator(kind, 2, **parameters)
    return lambda hr, rng: operator.apply(torch.from_numpy(hr).double()).float().numpy()


def known(then: Callable[[Float32Array, np.random.Generator], Float32Array]) -> Measure:
    """Measure by the calibrated degradation, and change the result."""
    bicubic = by("bicubic")
    return lambda hr, rng: then(bicubic(hr, rng), rng)


def noisy(deviation: float) -> Measure:
    """Add Gaussian noise."""
    return known(lambda y, rng: y + rng.normal(0, deviation, y.shape).astype(np.float32))


def _again(y: Float32Array, rng: np.random.Generator) -> Float32Array:
    height, width = (side // 2 * 2 for side in y.shape[1:])
    operator = make_operator("bicubic", 2)
    small = operator.apply(torch.from_numpy(y[:, :height, :width]).double())
    return operator.upscale(small).float().numpy()


SHIFTS: Mapping[str, Shift] = {
    "none": Shift(by("bicubic")),
    "noise 1": Shift(noisy(1)),
    "noise 3": Shift(noisy(3)),
    "noise 8": Shift(noisy(8)),
    "JPEG 95": Shift(by("bicubic"), 95),
    "JPEG 80": Shift(by("bicubic"), 80),
    "JPEG 30": Shift(by("bicubic"), 30),
    "kernel box": Shift(by("box")),
    "kernel nearest": Shift(by("nearest")),
    "kernel Gaussian 1.0": Shift(by("gaussian", sigma=1.0)),
    "kernel Gaussian 1.6": Shift(by("gaussian", sigma=1.6)),
    "scale 0.8": Shift(known(lambda y, rng: 0.8 * y)),
    "scale 0.1": Shift(known(lambda y, rng: 0.1 * y)),
    "offset +30": Shift(known(lambda y, rng: y + 30)),
    "already upscaled": Shift(known(_again)),
}


def main() -> int:
    """Print one JSON line; a table on standard error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("photo", "satellite", "face"), help="one part")
    given = parser.parse_args()
    if not there():
        return 2
    torch.set_num_threads(1)
    values: dict[str, float] = {"seed": given.seed}
    with tempfile.TemporaryDirectory() as name:
        if given.only in (None, "photo"):
            values |= of_photographs(Path(name) / "photo", given.seed)
        if given.only in (None, "satellite"):
            values |= of_satellites()
        if given.only in (None, "face"):
            values |= of_faces(Path(name) / "face")
    print(json.dumps({key: round(value, PLACES) for key, value in values.items()}))
    return 0


def of_photographs(folder: Path, seed: int) -> dict[str, float]:
    """Train, calibrate and shift."""
    workspace, recipe = Workspace(folder), PHOTO.recipe().with_overrides({**SETTINGS, "seed": seed})
    manifest = _manifest(folder / "manifest", seed)
    stage = {"recipe": recipe, "workspace": workspace, "log": Silent()}
    bundle = train(prepare(PHOTO, manifest, **stage), **stage)
    restorer = Restorer(calibrate(PHOTO, manifest, bundle, **stage).path)
    assert restorer.calibration is not None and restorer.calibration.reference is not None
    reference, content = restorer.calibration.reference, load_manifest(manifest)
    assert reference.domain is not None and reference.facts is not None
    values: dict[str, float] = {"photo_groups": reference.domain.units, "photo_threshold": reference.domain.threshold}
    tested = [content.source(region.source) for region in content.split.test]
    for name, shift in SHIFTS.items():
        rng = np.random.default_rng(seed)
        rows, facts, held = [], [], []
        for source in tested:
            hr = pixels_of(PHOTO, source)
            lr, differs = _stored(shift.measure(hr, rng), shift.quality, folder, reference.facts)
            rows.append(figures_of(reader_of(lr), lr.pixels.shape, 1.0, restorer))  # type: ignore[arg-type]
            facts.append(differs)
            held.append(_coverage(restorer, lr, hr))
        found = {
            **_seen(reference.domain, rows, seed, clean=name == "none"), "declared": float(np.mean(facts)),
            "coverage": float(np.mean(held)), "units": float(np.mean([h >= 0.9 for h in held])),
        }  # fmt: skip
        values |= _shown(f"photo {name}", found)
    others = {"satellites": list(_as_pictures(SATELLITE, _places())), "CT": list(_as_pictures(MedicalDomain(training=False), _patients()))}
    for name, images in others.items():
        measured = [_raster(make_operator("bicubic", 2).apply(torch.from_numpy(hr).double()).float().numpy()) for hr in images]
        rows = [figures_of(reader_of(lr), lr.pixels.shape, 1.0, restorer) for lr in measured]  # type: ignore[arg-type]
        values |= _shown(f"photo {name}", _seen(reference.domain, rows, seed))
    native = [_raster(pixels_of(PHOTO, source)) for source in tested]
    rows = [figures_of(reader_of(lr), lr.pixels.shape, 1.0, restorer) for lr in native]  # type: ignore[arg-type]
    return values | _shown("photo not degraded", _seen(reference.domain, rows, seed))


def of_satellites() -> dict[str, float]:
    """Hold CT slices against the scenes of the shipped satellite model, which works on standard scores."""
    restorer = Restorer(SATELLITE.shipped()[2])
    own = {str(n): [_scored(hr, restorer)] for n, hr in enumerate(_standard(SATELLITE, _places()))}
    ct = [_scored(hr, restorer) for hr in _standard(MedicalDomain(training=False), _patients())]
    fit = fit_domain(own, own, unit_kind="place", independent=True)
    assert fit is not None
    values = _shown("satellite CT", _seen(fit, ct, 0))
    return {"satellite_groups": fit.units, "satellite_abstains": float(fit.abstains), **values}


def of_faces(folder: Path) -> dict[str, float]:
    """Hold satellite scenes against the portraits of the shipped face model."""
    reference = REFERENCES["face-x4"]
    files = [DATA / path for path in reference.paths]
    recipe = recipe_of(FACE, reference)
    content = load_manifest(ingest(FACE, files, recipe=recipe, workspace=Workspace(folder), log=Silent()))
    restorer = Restorer(FACE.shipped()[4])

    def of(parts: Sequence[str]) -> dict[str, list[Figures]]:
        found: dict[str, list[Figures]] = {}
        for region in (r for part in parts for r in content.split.part(part)):  # type: ignore[arg-type]
            found.setdefault(region.group.id, []).append(_scored(pixels_of(FACE, content.source(region.source)), restorer, 1.0))
        return found

    fit = fit_domain(of(("train", "val")), of(("calibration",)), unit_kind="person", independent=True)
    assert fit is not None
    held = [images[0] for images in of(("test",)).values()]
    foreign = [_scored(hr, restorer, 1.0) for hr in _as_pictures(SATELLITE, _places())]
    return {
        "face_groups": fit.units, **_shown("face none", _seen(fit, held, 0, clean=True)),
        **_shown("face satellites", _seen(fit, foreign, 0)),
    }  # fmt: skip


def _manifest(folder: Path, seed: int) -> ManifestRef:
    sources = PHOTO.discover([DATA / "sr_train"], Silent())[0]
    order = np.random.default_rng(seed).permutation(len(sources))
    ends = np.cumsum([0, *PARTS.values()])
    parts = {name: tuple(whole(sources[n]) for n in order[start:end]) for name, start, end in zip(PARTS, ends[:-1], ends[1:], strict=True)}
    split = Split(**parts)
    split.check(0)
    manifest = Manifest(domain="photo", sources=tuple(sources), refusals=(), split=split, scale=2, gap=0, seed=seed)
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text(manifest.to_json())
    return ManifestRef(path=folder, hash=manifest.content_hash())


def pixels_of(domain: Domain, source: Source, side: int = LARGEST) -> Float32Array:
    """Read the middle of an image, with sides that are multiples of four."""
    with domain.open(source) as scene:
        height, width = (min(side, length) // 4 * 4 for length in scene.shape[1:])
        window = Window((scene.shape[1] - height) // 2, (scene.shape[2] - width) // 2, height, width)
        return scene.read(window).pixels


def _stored(y: Float32Array, quality: int | None, folder: Path, declared: object) -> tuple[Raster, bool]:
    """Store a measurement as a file, read it back, and hold what it declares against the calibration."""
    pixels = np.moveaxis(y, 0, -1).round().clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    image.save(buffer, **({"format": "PNG"} if quality is None else {"format": "JPEG", "quality": quality, "subsampling": 0}))
    path = folder / "measurement.img"
    path.write_bytes(buffer.getvalue())
    sample = PHOTO.discover([path], Silent())[0] if min(y.shape[1:]) >= 66 else []
    outside = bool(sample and differences(declared, PHOTO.facts(sample[0])).outside)  # type: ignore[arg-type]
    read = np.asarray(Image.open(buffer)).astype(np.float32)
    return _raster(read[None] if read.ndim == 2 else np.moveaxis(read, -1, 0)), outside


def _raster(pixels: Float32Array) -> Raster:
    pixels = np.ascontiguousarray(pixels.round().clip(0, 255))
    return Raster(pixels, np.ones(pixels.shape[1:], bool), tuple(map(str, range(len(pixels)))), "grey level", (0.0, 255.0))


def _coverage(restorer: Restorer, lr: Raster, hr: Float32Array) -> float:
    """Give the share of the pixels in the middle that the interval holds."""
    rows, cols = (slice(max(0, (side - CENTRE) // 2), max(0, (side - CENTRE) // 2) + CENTRE) for side in lr.mask.shape)
    restored = restorer.restore(np.ascontiguousarray(lr.pixels[:, rows, cols]), lr.mask[rows, cols])
    truth = hr[:, 2 * rows.start : 2 * rows.start + restored.sr.shape[1], 2 * cols.start : 2 * cols.start + restored.sr.shape[2]]
    inside = np.abs(truth - restored.sr[:, : truth.shape[1], : truth.shape[2]].round())
    return float((inside <= restored.half_width[:, : truth.shape[1], : truth.shape[2]])[:, 8:-8, 8:-8].mean())


def _seen(fit: DomainFit, rows: Sequence[Figures], seed: int, clean: bool = False) -> dict[str, float]:
    """Give the share of images, one a unit, beyond the limit; of batches, the median of D and the share that is not passed.

    `clean`: the images are like those of the calibration, so that any parting of both is a clean batch.
    """
    rng = np.random.default_rng(seed)
    deviations = np.array([fit.deviations(figures.values) for figures in rows if not figures.absent])
    found = {"flagged": float(np.mean(np.abs(deviations).max(axis=1) > fit.threshold)), "images": float(len(deviations))}
    if len(deviations) >= BATCH:
        batches = [drift_of(fit, deviations[rng.choice(len(deviations), BATCH, replace=False)].tolist()) for _ in range(BATCHES)]
        found["drift"] = float(np.median([batch.value or 0.0 for batch in batches]))
        found["drift_flagged"] = float(np.mean([batch.outcome != "pass" for batch in batches]))
        found["drift_limit"] = float(np.median([batch.warn_at or 0.0 for batch in batches]))
    pool = np.concatenate([np.array(fit.calibrated), deviations])
    for known, new in PARTED if clean else ():
        if known + new <= len(pool):
            found[f"false_alarms_{known}_{new}"] = _false_alarms(fit, pool, known, new, rng)
    worst = np.abs(np.median(deviations, axis=0)).argmax()
    print(f"  most in {fit.centres[worst].name}: {np.median(deviations, axis=0)[worst]:.2f}", file=sys.stderr)
    return found


def _false_alarms(fit: DomainFit, pool: npt.NDArray[np.float64], known: int, new: int, rng: np.random.Generator) -> float:
    """Give the share of clean batches whose drift is flagged."""
    flagged = 0
    for _ in range(PARTINGS):
        order = rng.permutation(len(pool))[: known + new]
        own = fit.model_copy(update={"calibrated": tuple(map(tuple, pool[order[:known]].tolist()))})
        flagged += drift_of(own, pool[order[known:]].tolist()).outcome != "pass"
    return flagged / PARTINGS


def _shown(name: str, found: Mapping[str, float]) -> dict[str, float]:
    print(name, json.dumps({key: round(value, 3) for key, value in found.items()}), file=sys.stderr, flush=True)
    stem = name.replace(" ", "_").replace("+", "").replace(".", "")
    return {f"{stem}_{key}": value for key, value in found.items()}


def _scored(hr: Float32Array, restorer: Restorer, step: float = 0.0) -> Figures:
    scale = restorer.scale
    y = make_operator("bicubic", scale).apply(torch.from_numpy(hr).double()).float().numpy()
    y = np.ascontiguousarray(y.round() if step else y)
    lr = Raster(y, np.ones(y.shape[1:], bool), tuple(map(str, range(len(y)))), restorer.card.unit, restorer.card.valid_range)
    return figures_of(reader_of(lr), lr.pixels.shape, step, restorer)  # type: ignore[arg-type]


def _places() -> list[Path]:
    return sorted(path for path in (DATA / "satellite").glob("*.tif") if "20m" not in path.name)


def _patients() -> list[Path]:
    return [path for name in ("ct_CMB-CRC-MSB-01068", "ct_RIDER-Pilot-0117") for path in sorted((DATA / "medical" / name).iterdir())[::2]]


def _images(domain: Domain, paths: Sequence[Path]) -> Iterator[Float32Array]:
    for path in paths:
        for source in domain.discover([path], Silent())[0]:
            yield pixels_of(domain, source)


def _standard(domain: Domain, paths: Sequence[Path]) -> Iterator[Float32Array]:
    """Give images in standard scores."""
    for pixels in _images(domain, paths):
        yield ((pixels - pixels.mean()) / pixels.std()).astype(np.float32)


def _as_pictures(domain: Domain, paths: Sequence[Path]) -> Iterator[Float32Array]:
    """Give images as someone would turn them into grey levels: stretched between their 0.5 and 99.5 percent quantiles."""
    for pixels in _images(domain, paths):
        low, high = np.quantile(pixels, [0.005, 0.995])
        yield (255 * (pixels - low) / max(float(high - low), 1e-9)).clip(0, 255).round().astype(np.float32)


if __name__ == "__main__":
    sys.exit(main())
