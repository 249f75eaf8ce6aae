"""A domain over `.npy` files of uint16 digital numbers: enough for every stage, without a file format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from sr_core.canvas import HALF_WIDTH, RESIDUAL, STORED, Canvas, Layout, by_rows, encoded_rows
from sr_core.delivery import Delivery
from sr_core.domain import Footprint, OutputPlan, Sensitivity
from sr_core.errors import InputError
from sr_core.log import Log, Silent
from sr_core.operators import Operator, make_operator
from sr_core.raster import BoolArray, Encoding, Float32Array, OutputFile, Raster, StoredRaster, Window
from sr_core.recipe import Recipe
from sr_core.records import BundleRef, CalibrationRef, EvaluationRef, Fact, Group, ManifestRef, Refusal, Source, Split, StoreRef
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
    """Makes one `.npz` of the finished rows."""

    lossless = True

    def __init__(self, like: Source, plan: OutputPlan) -> None:
        self.plan = plan
        layout = Layout(like.shape, plan.scale, "uint16", half_width="float32" if plan.interval else None, residual=plan.residual)
        self.delivery = Delivery(like.path, plan.target, plan.overwrite, 2 * layout.nbytes, plan.key)
        self.canvas = Canvas(self.delivery.folder / "rows", layout)

    def write(
        self, window: Window, mean: Float32Array, mask: BoolArray, half_width: Float32Array | None, residual: Float32Array | None,
        note: str = "",
    ) -> None:  # fmt: skip
        self.canvas.check(window, mean, mask)
        rows, clipped = encoded_rows(ENCODING, mean, mask, 0)
        arrays = {STORED: rows}
        if half_width is not None:
            arrays[HALF_WIDTH] = by_rows(half_width)
        if self.plan.residual:
            arrays[RESIDUAL] = by_rows(residual)
        self.canvas.append(arrays, mask, clipped=clipped, claimed=half_width is not None, note=note)

    def reread(self, window: Window) -> Raster:
        rows, cols = window.slices()
        part = self.canvas.read(STORED)[:, rows, cols]
        return Raster(
            ENCODING.decode(part), (part != 0).all(axis=0), tuple(f"B{i}" for i in range(len(part))), "reflectance", ENCODING.valid_range
        )

    def reread_half_width(self, window: Window) -> Float32Array | None:
        return self.canvas.half_width(window)

    def finish(self, verdict: Verdict) -> tuple[OutputFile, ...]:
        self.canvas.require_whole()
        arrays = {"sr": self.canvas.read(STORED)}
        if self.plan.interval:
            arrays["half_width"] = self.canvas.read(HALF_WIDTH)
        for role, name in (("verdict", self.plan.target.with_suffix(".json")), ("image", self.plan.target)):
            place = self.delivery.place(role, name)
            if role == "verdict":
                place.write_text(verdict.to_json())
                continue
            with place.open("wb") as file:
                np.savez(file, **arrays)
        return self.delivery.publish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.delivery.leave(error)


@dataclass
class ToyDomain:
    """The domain; a file is a group."""

    name: str = "toy"
    group_kind: str = "place"
    sensitivity: Sensitivity = field(default_factory=Sensitivity)

    def for_upscaling(self) -> ToyDomain:
        return self

    def recognises(self, path: Path) -> bool:
        return path.suffix == ".npy"

    def shipped(self) -> Mapping[int, Path]:
        return {}

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

    def provenance(self, path: Path) -> Mapping[str, str]:
        return {}

    def facts(self, source: Source) -> Sequence[Fact]:
        return (Fact(name="stored type", value=source.dtype),)

    def footprint(self, source: Source, scale: int, interval: bool, residual: bool) -> Footprint:
        values = int(np.prod(source.shape)) * scale**2
        return Footprint(memory=6 * values, finishing=6 * values, output=6 * values, working=0, cpu_s=0.0)

    def split(self, sources: Sequence[Source], scale: int, gap: int, seed: int) -> Split:
        return split_by_group(sources, scale=scale, gap=gap, seed=seed, patch=33 * scale, group_word="place")

    def operators(self) -> Mapping[str, Callable[[int], Operator]]:
        kinds: dict[str, Callable[[int], Operator]] = {kind: partial(make_operator, kind) for kind in ("bicubic", "kspace")}
        return kinds | {"mtf-two-bands": lambda scale: make_operator("mtf", scale, value=[0.4, 0.2])}

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


def cancelling(bundle: BundleRef, folder: Path, level: float = 256.0, weight: float = 0.5) -> BundleRef:
    """Copy an EDSR bundle with a fault planted that only a shortened format shows.

    Three feature maps before the last convolution become `level + detail`, `level` and `detail`, and it takes `weight` times the first
    less the others: nothing in float32, but bfloat16 keeps 8 bits, so at 256 it rounds to steps of 2.
    """
    import torch

    from sr_core.bundle import Bundle, Curve
    from sr_core.networks.blocks import Conv

    original = Bundle.load(bundle.path)
    net = original.net
    assert net.tail is not None
    convs = [step for step in net.tail.steps() if isinstance(step, Conv)]
    widen, last = convs[-2], convs[-1]
    cells = net.descriptor.scale**2
    sums, levels, details = (slice(i * cells, (i + 1) * cells) for i in range(3))
    with torch.no_grad():
        widen.weight[sums], widen.bias[sums] = widen.weight[details], level
        widen.weight[levels], widen.bias[levels] = 0, level
        widen.bias[details] = 0
        last.weight[:, :3] = 0
        last.weight[:, 0, 1, 1], last.weight[:, 1:3, 1, 1] = weight, -weight
    made = Bundle.save(folder, original.card, net, Curve())
    return bundle.model_copy(update={"path": folder, "hash": made.weights_hash, "weights": made.weights_hash})
