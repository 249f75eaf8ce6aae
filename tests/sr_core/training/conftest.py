"""A small world to train on: a drawn scene with edges and texture, its pairs in a real store, and a recipe of seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from sr_core.operators import Operator, make_operator
from sr_core.patches import MemoryReader, PairImage, PatchStore, whole_pairs, write_shard
from sr_core.raster import Bytes, Encoding, Raster
from sr_core.recipe import Recipe
from sr_core.training import Trained, train_model
from sr_core.training.clock import Clock
from sr_core.training.supply import WAIT

SETTINGS = {
    "network.width": 4, "network.blocks": 1, "network.linear_taps": 3, "patches.size": 12, "patches.stride": 6,
    "training.steps": 12, "training.batch": 2, "training.checkpoint_every": 4, "training.log_every": 3, "training.validate_every": 6,
    "training.warmup_steps": 2, "training.precision": "float32", "spread.steps": 6,
}  # fmt: skip


def scene(seed: int, height: int, width: int) -> np.ndarray:
    """Draw rectangles on a slope, two bands, stored values 0..10000: edges are what a network can do and a filter cannot."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    image = np.stack([2000 + 4.0 * rows + 3.0 * cols, 3000 + 5.0 * cols])
    for _ in range(60):
        top, left = int(rng.integers(height)), int(rng.integers(width))
        image[:, top : top + int(rng.integers(4, 20)), left : left + int(rng.integers(4, 20))] = rng.uniform(500, 8000, (2, 1, 1))
    return np.rint(ndimage.gaussian_filter(image, (0, 0.8, 0.8)))  # as an optical system leaves edges


def pair(name: str, split: str, seed: int, operator: Operator, encoding: Encoding, height: int = 72, width: int = 84) -> PairImage:
    """Make an image and its quantised measurement."""
    hr = encoding.decode(scene(seed, height, width))
    lr = encoding.decode(encoding.encode(operator.apply(torch.from_numpy(hr).double()).numpy()))

    def raster(pixels: np.ndarray) -> Raster:
        return Raster(pixels, np.ones(pixels.shape[1:], bool), ("b1", "b2"), "reflectance", encoding.valid_range)

    return PairImage(name=name, split=split, lr=raster(lr), hr=raster(hr))  # type: ignore[arg-type]


class Listener:
    """A log that remembers, and stops the run (as a killed process would) at the nth step of progress."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at, self.steps = stop_at, 0
        self.points: list[tuple[str, int, float]] = []
        self.waits: list[float] = []
        self.sentences: list[str] = []
        self.phases: list[str] = []
        self.details: list[str] = []
        self.pictures: list[tuple[str, int, bytes]] = []

    def metric(self, name: str, value: float, step: int) -> None:
        if name == WAIT:  # a figure of the clock: no two runs have the same
            self.waits.append(value)
        else:
            self.points.append((name, step, value))

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        self.details.append(detail)
        if what not in self.phases:
            self.phases.append(what)
        self.steps += 1
        if self.steps == self.stop_at:
            raise KeyboardInterrupt

    def picture(self, name: str, pixels: Bytes, step: int) -> None:
        self.pictures.append((name, step, pixels.tobytes()))

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


@dataclass
class World:
    """A store on disk and how to train on it."""

    folder: Path
    operator: Operator
    reader_class: type[MemoryReader] = MemoryReader
    listener: Listener = field(default_factory=Listener)

    def recipe(self, **overrides: object) -> Recipe:
        names = {name.replace("__", "."): value for name, value in overrides.items()}
        return Recipe(domain="satellite", seed=3).with_overrides({**SETTINGS, **names})

    def store(self, recipe: Recipe) -> PatchStore:
        folder = self.folder / recipe.patches.digest()[:8]
        folder.mkdir(exist_ok=True)
        encoding = Encoding.of("uint16", 1e-4)
        images = [pair("a", "train", 1, self.operator, encoding), pair("b", "train", 2, self.operator, encoding, 60, 96),
                  pair("c", "val", 3, self.operator, encoding, 48, 56)]  # fmt: skip
        write_shard(folder / "one.h5", images, recipe.patches, self.operator.scale[0], encoding, self.operator.to_json(), "0" * 64)
        return PatchStore(folder)

    def reader(self, recipe: Recipe) -> MemoryReader:
        return self.reader_class(self.store(recipe), "train", recipe.network.bands == "band-wise", upscale=self.operator.upscale)

    def train(
        self, recipe: Recipe, name: str, listener: Listener | None = None, with_val: bool = True, reader: MemoryReader | None = None,
        clock: Clock | None = None,
    ) -> Trained:  # fmt: skip
        reader = reader or self.reader(recipe)
        val = whole_pairs(reader.store, "val") if with_val else []
        heard = listener or self.listener
        return train_model(reader, val, recipe, self.operator, "reflectance", self.folder / name, heard, clock=clock)

    def errors(self, trained: Trained, recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the errors of the delivered validation images, absolute, and the spread that the network says, pixel by pixel."""
        error, spread = [], []
        for lr, hr, _, _ in whole_pairs(self.reader(recipe).store, "val"):
            mean, guess = trained.net.forward_spread((lr[None] - trained.mean) / trained.std)
            z = self.operator.project(mean * trained.std + trained.mean, lr[None])
            error.append((hr[None] - z).abs().flatten())
            spread.append(guess.flatten() * trained.std)
        return torch.cat(error), torch.cat(spread)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, make_operator("bicubic", 2))


@pytest.fixture(scope="module")
def lasting_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"), make_operator("bicubic", 2))


@pytest.fixture
def listen() -> Callable[..., Listener]:
    return Listener
