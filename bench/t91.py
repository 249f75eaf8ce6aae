"""T91 to Set5, x3: SRCNN 9-1-5 and FSRCNN(56, 12, 4) as the papers train and measure them, CPU seconds of training. Needs SR_DATA.

Luma of the 91 pictures, each at several sizes, all of it training; LR unrounded, as the protocol's. The residual stands on plain bicubic.
Set5: luma, rounded to uint8, three pixels of border left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from held_back import DATA, there
from numpy.typing import NDArray
from PIL import Image

from domains.photo.domain import DOMAIN
from sr_core.log import Silent
from sr_core.metrics import luma, modcrop, srcnn_protocol
from sr_core.operators import make_operator
from sr_core.operators.matlab import resize
from sr_core.patches import PairImage, write_shard
from sr_core.raster import Encoding, Raster
from sr_core.recipe import Recipe
from sr_core.records import StoreRef
from sr_core.stages.regions import degrade
from sr_core.stages.restore import Restorer
from sr_core.stages.train import train
from sr_core.workspace import Workspace, file_sha256, folder_sha256

SCALE = 3
SIZES = (Fraction(1), Fraction(9, 10), Fraction(8, 10), Fraction(7, 10), Fraction(6, 10))
FINE = Encoding.of("uint16", 1 / 256)  # grey levels, fine enough to count as unrounded
PLANS = {
    "srcnn": {"patches.grid": "hr", "patches.size": 33, "patches.stride": 14, "network.family": "srcnn"},
    "fsrcnn": {"patches.grid": "lr", "patches.size": 22, "patches.stride": 5, "network.family": "fsrcnn", "network.base": "operator"},
}
TRAINING = {
    "scale": SCALE, "training.loss": "l2", "training.batch": 32, "training.rate": 2e-3, "training.ema_decay": 0.999,
    "training.log_every": 500, "training.checkpoint_every": 5000, "spread.steps": 1,  # the spread is not looked at
}  # fmt: skip


def recipe_of(family: str, given: dict[str, object]) -> Recipe:
    """Give the papers' recipe of a family, with the settings that were given."""
    return DOMAIN.recipe().with_overrides(PLANS[family] | TRAINING | given)


def store_of(pictures: list[Path], recipe: Recipe, folder: Path) -> StoreRef:
    """Write the pairs of all pictures at all sizes, one shard a picture; what is smaller than a patch is left out."""
    operator = make_operator("bicubic", SCALE)
    smallest = recipe.patches.size * (SCALE if recipe.patches.grid == "lr" else 1)
    pairs = 0
    for path in pictures:
        grey = luma(np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)) / 255
        images = []
        for size in SIZES:
            hr = FINE.decode(FINE.encode(255 * modcrop(resize(grey, size) if size != 1 else grey, SCALE)[None]))
            if min(hr.shape[1:]) >= smallest:
                whole = Raster(hr, np.ones(hr.shape[1:], np.bool_), ("grey",), "grey level", FINE.valid_range)
                pair = degrade(whole, FINE, operator)
                images.append(PairImage(name=f"{path.stem}-{float(size):g}", split="train", lr=pair.lr, hr=pair.hr))
        if images:
            digest = file_sha256(path)
            shard = folder / f"{digest[:16]}.h5"
            pairs += write_shard(shard, images, recipe.patches, SCALE, FINE, operator.to_json(), digest).train_pairs
    return StoreRef(path=folder, hash=folder_sha256(folder), train_pairs=pairs, val_pairs=0)


def set5(restorer: Restorer, pictures: list[Path], project: bool) -> float:
    """Give the mean PSNR, dB, of a model on Set5, projected onto the measurement or as the network gives it."""

    def upscale(lr: NDArray[np.floating]) -> NDArray[np.floating]:
        y = np.float32(255 * lr)[None]
        mean = restorer.predictor.predict(y).mean
        return np.float64((restorer.delivered(mean, y, restorer.operator) if project else mean)[0]) / 255

    images = [np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1) for path in pictures]
    return float(np.mean([srcnn_protocol(image, SCALE, upscale).psnr for image in images]))


def main() -> int:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=sorted(PLANS))
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another setting of the recipe")
    given = parser.parse_args()
    if not there():
        return 2
    train_on, test_on = (sorted((DATA / name).glob("*.png")) for name in ("sr_train/T91", "sr_test/Set5"))
    settings: dict[str, object] = dict(setting.split("=", 1) for setting in given.set)
    recipe = recipe_of(given.family, {"training.steps": given.steps, "seed": given.seed} | settings)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "store"
        folder.mkdir()
        store = store_of(train_on, recipe, folder)
        start = time.process_time()
        bundle = train(store, recipe=recipe, workspace=Workspace(Path(name) / "workspace"), log=Silent())
        seconds = time.process_time() - start
        restorer = Restorer(bundle.path)
        values = {"set5_db": set5(restorer, test_on, False), "set5_projected_db": set5(restorer, test_on, True)}
    pairs = {"patches": store.train_pairs, "steps": given.steps, "seed": given.seed, "settings": settings}
    print(json.dumps({"family": given.family, **values, "training_cpu_s": seconds, **pairs}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
