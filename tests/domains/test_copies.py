"""Images that are there more than once: refused where they would be learned from, taken one by one where they are only upscaled."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from made_scenes import write_tiff
from PIL import Image
from toy import Sentences

from sr_core.domain import Domain

CT = Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm"


def domain_of(name: str) -> Domain:
    found: Domain = import_module(f"domains.{name}.domain").DOMAIN
    return found


def image(name: str, folder: Path) -> Path:
    folder.mkdir(parents=True)
    if name == "medical":
        dataset = pydicom.dcmread(CT)
        dataset.PatientIdentityRemoved, dataset.DeidentificationMethod = "YES", "by hand"
        dataset.BurnedInAnnotation = "NO"
        dataset.save_as(folder / "a.dcm")
        return folder / "a.dcm"
    values = np.random.default_rng(0).integers(1, 200, (1, 90, 96), dtype=np.uint8)
    if name == "satellite":
        return write_tiff(folder / "a.tif", values)
    Image.fromarray(values[0]).save(folder / "a.png")
    return folder / "a.png"


@pytest.mark.parametrize("name", ["satellite", "medical", "face", "photo"])
def test_copies_are_upscaled_and_not_learned_from(name: str, tmp_path: Path) -> None:
    first = image(name, tmp_path / "in" / "a")
    beside = Path(shutil.copy(first, first.with_stem("copy")))
    elsewhere = tmp_path / "in" / "b" / first.name
    elsewhere.parent.mkdir()
    shutil.copy(first, elsewhere)
    domain, log = domain_of(name), Sentences()
    learned, refused = domain.discover([tmp_path / "in"], log)
    assert len(learned) == 1 and len(refused) + sum("left out a copy" in sentence for sentence in log.said) == 2
    taken, refused = domain.for_upscaling().discover([tmp_path / "in"], log)
    assert {s.path.resolve() for s in taken} == {path.resolve() for path in (first, beside, elsewhere)} and not refused
    assert len({s.sha256 for s in taken}) == 1
    assert len(domain.discover([tmp_path / "in"], log)[0]) == 1  # the domain itself is as it was


def series(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True)
    dataset = pydicom.dcmread(CT)
    for number in range(count):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        dataset.ImagePositionPatient = [0, 0, 5 * number]
        dataset.save_as(folder / f"{number}.dcm")
    return folder


def test_a_copied_series_is_another_image_and_a_slice_that_lies_about_is_none(tmp_path: Path) -> None:
    first = series(tmp_path / "in" / "a")
    second = Path(shutil.copytree(first, tmp_path / "in" / "b"))
    domain: Any = domain_of("medical").for_upscaling()
    log = Sentences()
    taken, refused = domain.discover([tmp_path / "in"], log)
    assert not refused and not log.said
    assert {s.path.resolve() for s in taken} == {first.resolve(), second.resolve()}
    assert all({path.parent.resolve() for path in s.members} == {s.path.resolve()} for s in taken)
    shutil.copy(first / "1.dcm", first / "1 (copy).dcm")
    taken, refused = domain.discover([first], log)
    assert [len(s.members) for s in taken] == [3] and not refused
    assert len(log.said) == 1 and "left out a copy" in log.said[0]
    shutil.copy(first / "0.dcm", first / "0 (copy).dcm")
    shutil.copy(first / "2.dcm", first / "2 (copy).dcm")
    assert len(domain.discover([first], log)[0]) == 1  # two results would go to one place
