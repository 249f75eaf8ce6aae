"""What slices and series declare; nothing of it names a patient."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from domains.medical.domain import MedicalDomain
from sr_core.log import Silent
from sr_core.records import Fact, Source

Maker = Callable[..., Path]
NAME = "PLANTED^NAME"
DOMAIN = MedicalDomain(training=False)


def facts(source: Source) -> dict[str, list[str | float]]:
    found: dict[str, list[str | float]] = {}
    for fact in DOMAIN.facts(source):
        found.setdefault(fact.name, []).append(fact.value)
    return found


def test_a_slice(make_slice: Maker) -> None:
    path = make_slice(ConvolutionKernel=["B30f", "1"], ManufacturerModelName="scanner")
    (source,), _ = DOMAIN.discover([path], Silent())
    found = facts(source)
    assert found["modality"] == ["CT"] and found["unit"] == ["HU"] and found["convolution kernel"] == ["B30f\\1"]
    assert found["slice thickness"] == [2.0] and found["stored bits"] == ["16"] and found["compression"] == ["lossless"]
    assert abs(float(found["pixel size"][0]) - 0.35**0.5) < 1e-9
    assert Fact(name="pixel size", value=0.35**0.5, unit="mm", sampled=True) in DOMAIN.facts(source)
    assert NAME not in str(found) and "PLANTED" not in str(found)


def test_what_is_not_declared_is_left_out(make_slice: Maker) -> None:
    (source,), _ = DOMAIN.discover([make_slice(SliceThickness=None)], Silent())
    assert not {"slice thickness", "convolution kernel"} & set(facts(source))


def test_lossy_by_declaration(make_slice: Maker) -> None:
    (source,), _ = DOMAIN.discover([make_slice(LossyImageCompression="01")], Silent())
    assert facts(source)["compression"] == ["lossy"]


def test_a_series_gives_what_any_of_its_slices_declares(make_slice: Maker) -> None:
    kernels = ("B30f", "B30f", "B80f")
    paths = [
        make_slice(f"s/{n}.dcm", SOPInstanceUID=f"1.2.3.9.{n}", ImagePositionPatient=[-10, 20, 2 * n], ConvolutionKernel=kernel)
        for n, kernel in enumerate(kernels)
    ]
    (source,), _ = DOMAIN.discover([paths[0].parent], Silent())
    assert facts(source)["convolution kernel"] == ["B30f", "B80f"] and facts(source)["modality"] == ["CT"]
