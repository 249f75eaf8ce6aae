"""A domain over `.npy` files of uint16 digital numbers: enough for every stage, without a file format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from sr_core.domain import OutputPlan, Sensitivity
from sr_core.errors import InputError
from sr_core.log import Log, Silent
from sr_core.operators import Operator, make_operator
from sr_core.raster import BoolArray, Encoding, Float32Array, OutputFile, Raster, StoredRaster, Window
from sr_core.recipe import Recipe
from sr_core.records import BundleRef, CalibrationRef, EvaluationRef, Group, ManifestRef, Refusal, Source, Split, StoreRef
from sr_core.split import split_by_group
from sr_core.trust.verdict import Check, Verdict
from sr_core.workspace import Workspace, file_sha256

ENCODING = Encoding("uint16", 0.001, 0.0, 1, 65535)  # 0 is nodata


def texture(height: int, width: int, bands: int = 2, seed: int = 0) -> np.ndarray:
    """Edges and smooth parts, uint16: something that a network can learn."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    image = np.zeros((bands, height, width))
    for band in range(bands):
        for _ in range(60):
            angle, offset = rng.uniform(0, np.pi), rng.uniform(-0.5, 1.0) * max(height, width)
            edge = rows * np.sin(angle) + cols * np.cos(angle) - offset
            image[band] += rng.uniform(-1, 1) * np.tanh(edge / rng.uniform(0.2, 0.8))
    image = (image - image.min()) / np.ptp(image)
    return (500 + 3000 * image).astype(np.uint16)


class ToyScene:
    """A `.npy` file as a scene."""

    bands: tuple[str, ...]
    unit = "reflectance"
    encoding = ENCODING

    def __init__(self, path: Path) -> None:
        self.stored = np.load(path)
        self.shape = self.stored.shape
        self.bands = tuple(f"B{i}" for i in range(self.shape[0]))

    def read(self, window: Window) -> Raster:
        rows, cols = window.slices()
        part = self.stored[:, rows, cols]
        return Raster(self.encoding.decode(part), (part != 0).all(axis=0), self.bands, self.unit, self.encoding.valid_range)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None


class StoredToyScene(ToyScene):
    """The same, that also gives its stored values."""

    def read_stored(self, window: Window) -> StoredRaster:
        rows, cols = window.slices()
        part = self.stored[:, rows, cols]
        return StoredRaster(part, (part != 0).all(axis=0), self.bands, self.unit, self.encoding)


class ToyWriter:
    """Collects windows and writes one `.npz` at the end."""

    lossless = True

    def __init__(self, like: Source, plan: OutputPlan) -> None:
        bands, height, width = like.shape
        shape = (bands, height * plan.scale, width * plan.scale)
        self.plan = plan
        self.stored = np.zeros(shape, np.uint16)
        self.half_width = np.full(shape, np.nan, np.float32)

    def write(
        self, window: Window, mean: Float32Array, mask: BoolArray, half_width: Float32Array | None, residual: Float32Array | None
    ) -> None:
        rows, cols = window.slices()
        self.stored[:, rows, cols] = np.where(mask, ENCODING.encode(np.nan_to_num(mean)), 0)
        if half_width is not None:
            self.half_width[:, rows, cols] = half_width

    def reread(self, window: Window) -> Raster:
        rows, cols = window.slices()
        part = self.stored[:, rows, cols]
        return Raster(
            ENCODING.decode(part), (part != 0).all(axis=0), tuple(f"B{i}" for i in range(len(part))), "reflectance", ENCODING.valid_range
        )

    def finish(self, verdict: Verdict) -> tuple[OutputFile, ...]:
        np.savez(self.plan.target, sr=self.stored, half_width=self.half_width)
        return (OutputFile("image", self.plan.target),)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None


@dataclass
class ToyDomain:
    """The domain; a file is a group."""

    name: str = "toy"
    group_kind: str = "place"
    sensitivity: Sensitivity = field(default_factory=Sensitivity)

    def for_upscaling(self) -> ToyDomain:
        return self

    def discover(self, paths: Sequence[Path], log: Log) -> tuple[list[Source], list[Refusal]]:
        sources: list[Source] = []
        refusals: list[Refusal] = []
        for path in paths:
            if not path.exists():
                raise InputError(f"{path} does not exist", "a file", "Give another.")
            if path.suffix != ".npy":
                refusals.append(Refusal(path=path, error="InputError", sentence="not a .npy file"))
                continue
            digest = file_sha256(path)
            stored = np.load(path)
            sources.append(
                Source(
                    path=path, sha256=digest, size=path.stat().st_size, group=Group(kind="place", id=digest[:8]), shape=stored.shape,
                    bands=tuple(f"B{i}" for i in range(len(stored))), dtype=str(stored.dtype), unit="reflectance",
                )
            )  # fmt: skip
        return sources, refusals

    def open(self, source: Source) -> ToyScene:
        return ToyScene(source.path)

    def create(self, like: Source, plan: OutputPlan) -> ToyWriter:
        return ToyWriter(like, plan)

    def split(self, sources: Sequence[Source], scale: int, gap: int, seed: int) -> Split:
        return split_by_group(sources, scale=scale, gap=gap, seed=seed, patch=33 * scale, group_word="place")

    def operators(self) -> Mapping[str, Callable[[int], Operator]]:
        return {kind: partial(make_operator, kind) for kind in ("bicubic", "kspace")}

    def recipe(self) -> Recipe:
        return Recipe(domain="toy").with_overrides(
            {"training.steps": 6, "training.checkpoint_every": 3, "training.validate_every": 3, "spread.steps": 4, "network.width": 8,
             "network.blocks": 1, "training.batch": 4, "training.precision": "float32"}
        )  # fmt: skip

    def checks(self) -> Sequence[Check]:
        return ()

    def demo(self, folder: Path) -> list[Path]:
        np.save(folder / "scene.npy", texture(220, 260))
        return [folder / "scene.npy"]


@dataclass(frozen=True)
class Run:
    """The results of all stages."""

    folder: Path
    workspace: Workspace
    manifest: ManifestRef
    store: StoreRef
    bundle: BundleRef
    calibrated: CalibrationRef
    evaluation: EvaluationRef


class Sentences(Silent):
    """A log that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


def run_stages(folder: Path, log: Silent, **overrides: object) -> Run:
    """Run ingest to evaluate on the toy demonstration."""
    from sr_core.stages.calibrate import calibrate
    from sr_core.stages.evaluate import evaluate
    from sr_core.stages.ingest import ingest
    from sr_core.stages.prepare import prepare
    from sr_core.stages.train import train

    domain = ToyDomain()
    folder.mkdir(exist_ok=True)
    workspace = Workspace(folder / "workspace")
    recipe = domain.recipe().with_overrides(overrides)
    with_ = {"recipe": recipe, "workspace": workspace, "log": log}
    manifest = ingest(domain, domain.demo(folder), **with_)
    store = prepare(domain, manifest, **with_)
    bundle = train(store, **with_)
    calibrated = calibrate(domain, manifest, bundle, **with_)
    evaluation = evaluate(domain, manifest, calibrated, champion=None, **with_)
    return Run(folder, workspace, manifest, store, bundle, calibrated, evaluation)
