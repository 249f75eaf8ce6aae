from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydicom.dataset import Dataset

from domains.medical.derive import DESCRIPTION_LENGTH, MAKER, NOTICE, Stamp
from domains.medical.provenance import _said
from sr_core.domain import CAUTION

WEIGHTS = "0123456789ab" + "c" * 52


def stamp(**changes: object) -> Stamp:
    tags = {"SR_MODEL": WEIGHTS, "SR_CALIBRATION": "d" * 64, "SR_CREDITS": "Data of A; Data of B", **changes}
    texts = {"operator": "Blur. By 2", "claim": "It held 90 %. Few.", "verdict": "Warn: 2 of 3 checks passed."}
    return Stamp(scale=2, model="medical:0123456789ab", tags=tags, moment=datetime.now(UTC), identity=(), **texts)


def image(text: str, maker: str = MAKER) -> Dataset:
    item, dataset = Dataset(), Dataset()
    item.Manufacturer, item.ManufacturerModelName = maker, "medical:0123456789ab"
    dataset.ContributingEquipmentSequence, dataset.DerivationDescription = [item], text
    return dataset


def test_a_whole_description_is_read_back() -> None:
    said = _said(image(stamp(**{CAUTION: "Made up. Model: not."}).description()))
    assert said == {
        "SR_SCALE": "2", CAUTION: "Made up. Model: not.", "SR_MODEL": WEIGHTS, "SR_OPERATOR": "Blur. By 2",
        "SR_CLAIM": "It held 90 %. Few.",
        "SR_VERDICT": "Warn: 2 of 3 checks passed.", "SR_CALIBRATION": "d" * 64, "SR_CREDITS": "Data of A; Data of B", "SR_NOTICE": NOTICE,
    }  # fmt: skip


@pytest.mark.parametrize("length", [200, 330, 400, 560, 690, 700, 705, 720])
def test_a_description_that_was_cut_says_nothing_that_is_not_whole(length: int) -> None:
    given = stamp(**{"SR_ENSEMBLE": "4"})
    whole = _said(image(given.description()))
    long = Stamp(**{**vars(given), "operator": "x" * length})
    assert len(long.description()) <= DESCRIPTION_LENGTH
    for name, text in _said(image(long.description())).items():
        if name == "SR_OPERATOR":
            assert text == "x" * length
        elif text.endswith(" ..."):
            assert len(long.description()) == DESCRIPTION_LENGTH and whole[name].startswith(text[:-4])
        else:
            assert text == whole[name] or (name == "SR_MODEL" and text == "0123456789ab"), name


def test_images_of_other_makers_say_nothing() -> None:
    assert _said(image(stamp().description(), maker="Somebody")) == {}
    assert _said(image("Reformatted"))["SR_MODEL"] == "0123456789ab"
