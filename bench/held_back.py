"""What the benches of quality share: who trains, who is held back, and by how much a network and the fitted filter beat bicubic there.

Everything is trained by the stages on whole groups and measured on whole groups that neither trained nor chose anything. There are no
validation images, so no guard puts the filter in the network's place. Needs SR_DATA.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

from domains.common.degrade import gaussian
from domains.face.domain import DOMAIN as FACE
from domains.medical.domain import MedicalDomain
from domains.photo.domain import DOMAIN as PHOTO
from domains.satellite.degrade import mtf
from domains.satellite.domain import DOMAIN as SATELLITE
from sr_core.bundle import Bundle, Curve
from sr_core.domain import Domain
from sr_core.log import Silent
from sr_core.metrics import Protocol, psnr
from sr_core.operators import Operator
from sr_core.raster import Encoding, Float32Array, Raster, Scene, StoredRaster, StoredScene, Window
from sr_core.records import Manifest, ManifestRef, Region, Source, Split, StoreRef
from sr_core.stages.evidence import plain_bicubic
from sr_core.stages.ingest import MANIFEST, load_manifest
from sr_core.stages.prepare import prepare
from sr_core.stages.regions import Pair, read_pair
from sr_core.stages.restore import Restorer
from sr_core.stages.train import train
from sr_core.workspace import Workspace

DATA = Path(os.environ.get("SR_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SCENES = ("australia_sentinel2_20190105", "bangladesh_sentinel2_20200127", "canberra_landsat5_19920323", "greenland_landsat8_20150101",
          "italy_sentinel2_20190416", "mexico_landsat7_19991118", "virginia_naip")  # fmt: skip
HELD_SCENE = "patagonia_sentinel2_10m"
HELD_PEOPLE = 5  # every fifth
BODY = {"training.log_every": 200, "training.checkpoint_every": 2000, "spread.steps": 1}  # the spread is not looked at


@dataclass(frozen=True)
class Case:
    """Files that train and files that are held back, as a domain reads them."""

    domain: Domain
    train: Sequence[Path]
    held_back: Sequence[Path]


class Levelled:
    """A scene in standard deviations from its own mean: scenes of different sensors, and MR series, have no unit in common.

    Its values are stored and rounded as in its file.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.shape, self.bands, self.unit = scene.shape, scene.bands, "standard deviation"
        all_of_it = scene.read(Window(0, 0, *scene.shape[1:]))
        values = all_of_it.pixels[:, all_of_it.mask].astype(np.float64)
        mean, deviation, stored = float(values.mean()), float(values.std()), scene.encoding
        self.encoding = replace(stored, scale=stored.scale / deviation, offset=(stored.offset - mean) / deviation)

    def read(self, window: Window) -> Raster:
        """Read a window."""
        return self.read_stored(window).raster()

    def read_stored(self, window: Window) -> StoredRaster:
        """Read a window as it is stored."""
        scene = self._scene
        assert isinstance(scene, StoredScene)
        return replace(scene.read_stored(window), unit=self.unit, encoding=self.encoding)

    def __enter__(self) -> Self:
        self._scene.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._scene.__exit__(kind, error, trace)


class Offering:
    """A domain that offers more degradations than its own, so that all can be compared under one, and may level its scenes."""

    def __init__(self, domain: Domain, levelled: bool = False) -> None:
        self._domain, self._levelled = domain, levelled

    def __getattr__(self, name: str) -> Any:
        return getattr(self._domain, name)

    def open(self, source: Source) -> Scene:
        """Open a scene."""
        scene = self._domain.open(source)
        return Levelled(scene) if self._levelled else scene

    def operators(self) -> Mapping[str, Callable[[int], Operator]]:
        """Give the domain's own, the sensor blur of satellites and the optical blur of pictures."""
        return {"mtf": mtf, "gaussian": gaussian, **self._domain.operators()}


def there() -> bool:
    """Say whether the data is there; if not, say on standard error what to do."""
    if not DATA.is_dir():
        print(f"no {DATA}; set SR_DATA to the folder that holds sr_train, sr_test, satellite, medical and face", file=sys.stderr)
    return DATA.is_dir()


def case_of(name: str) -> Case:
    """Give one of "satellite", "face", "ct", "mr" and "general" (photographs; nothing is held back)."""
    if name == "satellite":
        scenes, held = ([DATA / "satellite" / f"{stem}.tif" for stem in stems] for stems in (SCENES, (HELD_SCENE,)))
        return Case(Offering(SATELLITE, levelled=True), scenes, held)
    if name == "general":
        return Case(Offering(PHOTO), [DATA / "sr_train"], [])
    if name == "face":
        people = sorted((DATA / "face" / "congress").iterdir())
        return Case(Offering(FACE), [p for i, p in enumerate(people) if i % HELD_PEOPLE], people[::HELD_PEOPLE])
    medical = MedicalDomain(training=False)  # the T1w series is public, under a made-up name with a made-up date of birth
    patients = {"ct": ("ct_CMB-CRC-MSB-01068", "ct_RIDER-Pilot-0117"), "mr": ("mr_datalad-T1w", "mr_TCGA-BC-4073")}[name]
    first, second = (DATA / "medical" / patient for patient in patients)
    return Case(Offering(medical, levelled=name == "mr"), [first], [second])  # CT has Hounsfield units


def whole(source: Source) -> Region:
    """Give all of an image."""
    return Region(source=source.sha256, window=Window(0, 0, *source.shape[1:]), group=source.group)


def manifest_of(case: Case, scale: int, folder: Path) -> ManifestRef:
    """Write the manifest in which whole groups train and whole groups are held back."""
    found = [case.domain.discover(paths, Silent())[0] if paths else [] for paths in (case.train, case.held_back)]
    trains, held = (tuple(whole(source) for source in sources) for sources in found)
    split = Split(train=trains, val=(), calibration=(), test=held)
    split.check(0)
    sources = tuple(source for part in found for source in part)
    manifest = Manifest(domain=case.domain.name, sources=sources, refusals=(), split=split, scale=scale, gap=0, seed=1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_text(manifest.to_json())
    return ManifestRef(path=folder, hash=manifest.content_hash())


def prepared(case: Case, manifest: ManifestRef, settings: Mapping[str, object], workspace: Workspace) -> StoreRef:
    """Cut the pairs of the manifest's training groups under the recipe's degradation."""
    recipe = case.domain.recipe().with_overrides({**BODY, **settings})
    return prepare(case.domain, manifest, recipe=recipe, workspace=workspace, log=Silent())


def trained(
    case: Case, manifest: ManifestRef, settings: Mapping[str, object], workspace: Workspace, parent: Path | None = None,
    general: StoreRef | None = None,
) -> tuple[Restorer, float]:  # fmt: skip
    """Train the domain's recipe with some settings on the manifest's training groups; also give the CPU seconds of the training stage.

    With a parent, training goes on from that bundle, with the general pairs mixed in.
    """
    recipe = case.domain.recipe().with_overrides({**BODY, **settings})
    store = prepared(case, manifest, settings, workspace)
    start = time.process_time()
    bundle = train(store, recipe=recipe, workspace=workspace, log=Silent(), parent=parent, general=general)
    return Restorer(bundle.path), time.process_time() - start


def adopted(model: Restorer, own: Restorer, folder: Path) -> Restorer:
    """Give another domain's network and filter with this domain's normalisation and range: they work in normalised units."""
    card = own.card.model_copy(update={"descriptor": model.card.descriptor, "weights": "", "halo": 0})
    return Restorer(Bundle.save(folder, card, model.bundle.net, Curve(points=())).folder)


def written(encoding: Encoding, image: Float32Array) -> Float32Array:
    """Round an image as its file rounds."""
    return encoding.decode(encoding.encode(image))


def gains(case: Case, manifest: ManifestRef, restorer: Restorer) -> dict[str, float]:
    """Give PSNR over bicubic, dB, of "filter" and "network", plain and "projected", the mean over held-back images; and "bicubic"."""
    content = load_manifest(manifest)
    protocol = Protocol(data_range=restorer.card.data_range, border=restorer.scale)  # every image is rounded as its own file rounds
    found: dict[str, list[float]] = {}
    for region in content.split.test:
        pair = read_pair(case.domain, content, region, restorer.operator)
        values = {
            name: psnr(written(pair.encoding, image), pair.hr.pixels, protocol, pair.hr.mask)
            for name, image in _images(pair, restorer).items()
        }
        for name, value in values.items():
            found.setdefault(name, []).append(value if name == "bicubic" else value - values["bicubic"])
    return {name: float(np.mean(values)) for name, values in found.items()}


def _images(pair: Pair, restorer: Restorer) -> dict[str, Float32Array]:
    card, lr, mask = restorer.card, pair.lr, pair.lr.mask
    filled = restorer.predictor.fill(lr.pixels, mask)
    base = restorer.bundle.net.base(restorer.predictor.normalised(filled))[0].numpy() * np.float32(card.std) + np.float32(card.mean)
    mean = restorer.predictor.predict(filled).mean

    def projected(image: Float32Array) -> Float32Array:
        tensors = torch.from_numpy(image), torch.from_numpy(filled)
        return restorer.operator.project(*tensors, lr.valid_range, pair.encoding.step).numpy()

    plain = {"filter": base, "network": mean}
    return {"bicubic": plain_bicubic(lr, restorer.scale), **plain, **{f"projected_{name}": projected(i) for name, i in plain.items()}}
