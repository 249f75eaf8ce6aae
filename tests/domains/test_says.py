"""What an output says of itself, without the verdict beside it: an abstention and a warning are read from the file alone."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
import rasterio
from PIL import Image
from pydicom.data import get_testdata_file

from sr_core.domain import Domain, OutputPlan
from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.records import Source
from sr_core.trust.claim import make_claim, withdraw
from sr_core.trust.verdict import Claim, Verdict, judge, limit

CALIBRATION, WEIGHTS = "d" * 64, "0123456789ab" + "c" * 52
OPERATOR = "Bicubic reduction x2 as MATLAB computes it (a = -0.5, antialiased)."
CASES = [
    ("satellite", ".tif"),
    ("medical", ".dcm"),
    *((name, end) for name in ("face", "photo") for end in (".png", ".jpg", ".webp", ".tif")),
]


def certified(kind: str) -> Claim:
    return make_claim(
        coverages=[0.93] * 30, pixels=[100] * 30, alpha=0.1, delta=0.1, gamma=0.1, group_kind=kind, one_group=False, operator="a" * 64,
        operator_name="bicubic x2", calibration=CALIBRATION,
    )  # fmt: skip


def verdict(kind: str, status: str) -> Verdict:
    claim = certified(kind)
    drift = limit(
        "noise floor", 9.5 if status == "warn" else 2.0, unit="", threshold=4.0, source="30 validation groups, quantile 0.95",
        severity="warn", sentence="the measurement is as noisy as the images that were calibrated on",
    )  # fmt: skip
    if status == "warn":
        return judge(claim, [drift])
    why = "the scene is unlike the 30 that were calibrated on: its noise lies beyond the 95 % quantile of theirs & <more>"
    return judge(withdraw(claim, why), [drift], abstain=[why])


def input_of(name: str, ending: str, folder: Path) -> Path:
    path = folder / f"input{ending}"
    values = np.random.default_rng(7).integers(40, 200, (96, 128, 3)).astype(np.uint8)
    if name == "satellite":
        shape = {"driver": "GTiff", "width": 128, "height": 96, "count": 1, "dtype": "uint8"}
        with rasterio.open(path, "w", crs="EPSG:32632", transform=rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000), **shape) as dataset:
            dataset.write(values[None, :, :, 0])
    elif name == "medical":
        path.write_bytes(Path(str(get_testdata_file("CT_small.dcm"))).read_bytes())
    else:
        Image.fromarray(values).save(path)
    return path


def written(name: str, ending: str, status: str, folder: Path) -> tuple[Domain, Path, Verdict]:
    found: Domain = importlib.import_module(f"domains.{name}.domain").DOMAIN
    domain = found.for_upscaling()
    (source,), _ = domain.discover([input_of(name, ending, folder)], Silent())
    said, target = verdict(domain.group_kind, status), folder / f"out{ending}"
    write(domain, source, said, target)
    for beside in folder.glob("out*.verdict.json"):
        beside.unlink()
    return domain, target, said


def write(domain: Domain, source: Source, said: Verdict, target: Path) -> None:
    tags = {"SR_MODEL": WEIGHTS, "SR_CALIBRATION": CALIBRATION, "SR_NOTICE": domain.sensitivity.notice}
    plan = OutputPlan(target, 2, f"{domain.name}:{WEIGHTS[:12]}", OPERATOR, certified(domain.group_kind).text, tags, interval=False)
    with domain.open(source) as scene, domain.create(source, plan) as writer:
        raster = scene.read(Window(0, 0, *source.shape[1:]))
        mean = raster.pixels.repeat(2, axis=1).repeat(2, axis=2)
        writer.write(Window(0, 0, *mean.shape[1:]), mean, raster.mask.repeat(2, axis=0).repeat(2, axis=1), None, None)
        writer.finish(said)


def raw(name: str, path: Path) -> str:
    """Give all texts that another program finds in the file."""
    if name == "satellite":
        with rasterio.open(path) as dataset:
            return "\n".join(f"{key}={value}" for key, value in dataset.tags().items())
    if name == "medical":
        return str(pydicom.dcmread(path).DerivationDescription)
    with Image.open(path) as image:
        packet = image.info.get("xmp") or getattr(image, "tag_v2", {}).get(700, b"")
        return "\n".join([packet.decode() if isinstance(packet, bytes) else str(packet), *(str(v) for v in image.info.values())])


@pytest.mark.parametrize("status", ["warn", "abstain"])
@pytest.mark.parametrize(("name", "ending"), CASES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_verdict_is_read_from_the_file_alone(name: str, ending: str, status: str, tmp_path: Path) -> None:
    domain, path, said = written(name, ending, status, tmp_path)
    assert said.status == status
    says = domain.provenance(path)
    assert says["SR_VERDICT"] == said.sentence and says["SR_VERDICT"].startswith(f"{status.capitalize()}: ")
    assert says["SR_CLAIM"] == said.claim.text  # not the model's, which is stronger than this image's
    assert ("Do not use it as a bound" in says["SR_CLAIM"]) == (status == "abstain")
    assert says["SR_MODEL"] == WEIGHTS and says["SR_CALIBRATION"] == CALIBRATION
    assert says["SR_OPERATOR"].rstrip(".") == OPERATOR.rstrip(".")
    text = raw(name, path)
    assert f"{status.capitalize()}: " in text and CALIBRATION in text
    assert ("With 90% confidence" in text) == (status == "warn")


def test_what_other_programs_wrote_into_xmp_is_not_taken_for_ours(tmp_path: Path) -> None:
    from domains.common.picture_provenance import provenance

    packet = '<rdf:RDF xmlns:sr="http://example.org/other"><sr:sr-model>x</sr:sr-model><sr:sr-claim>y</sr:sr-claim></rdf:RDF>'
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", xmp=packet.encode())
    assert provenance(tmp_path / "a.jpg") == {}
