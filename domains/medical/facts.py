"""What a slice or a series declares of how it was made. Nothing of this says who the patient is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from domains.medical.guard import load, quiet
from domains.medical.header import SliceHeader, header_of, lost_detail
from sr_core.records import Fact, Source

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def facts(source: Source) -> Sequence[Fact]:
    """Give the facts of all files of a source, each once.

    Raises
    ------
    InputError
        If a file cannot be opened any more.
    """
    found: dict[Fact, None] = {}
    for path in source.members or (source.path,):
        dataset = load(path)
        header = header_of(dataset, path, "", 0, declared=True, group_key="")
        with quiet():
            found |= dict.fromkeys(_facts(dataset, header))
    return tuple(found)


def _facts(dataset: Dataset, header: SliceHeader) -> Iterator[Fact]:
    yield Fact(name="modality", value=header.modality)
    yield Fact(name="unit", value=header.unit)
    for name, keyword in (("convolution kernel", "ConvolutionKernel"), ("manufacturer's model", "ManufacturerModelName")):
        if text := _text(dataset, keyword):
            yield Fact(name=name, value=text)
    thickness = _number(dataset, "SliceThickness")
    if thickness:
        yield Fact(name="slice thickness", value=thickness, unit="mm")
    rows, cols = header.spacing
    yield Fact(name="pixel size", value=(rows * cols) ** 0.5, unit="mm", sampled=True)
    yield Fact(name="stored bits", value=str(int(dataset.BitsStored)))
    yield Fact(name="compression", value="lossy" if lost_detail(dataset) else "lossless")


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    parts = [value] if isinstance(value, str) or value is None else list(value)
    return "\\".join(str(part).strip() for part in parts if part is not None).strip("\\")


def _number(dataset: Dataset, keyword: str) -> float | None:
    try:
        value = float(dataset[keyword].value)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return value if 0 < value < 1e6 else None
