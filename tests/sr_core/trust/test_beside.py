from __future__ import annotations

from pathlib import Path

import pytest

from sr_core.errors import StoreError
from sr_core.trust.beside import verdict_beside
from sr_core.trust.claim import make_claim
from sr_core.trust.verdict import Verdict, judge


@pytest.fixture
def verdict() -> Verdict:
    claim = make_claim(
        coverages=(), pixels=(), alpha=0.1, delta=0.1, gamma=0.1, group_kind="place", one_group=False, operator="0" * 64,
        operator_name="bicubic", calibration=None,
    )  # fmt: skip
    return judge(claim, ())


@pytest.mark.parametrize("weights", ["", "a" * 64])
def test_what_was_written_beside_a_file_or_into_a_folder_is_read(verdict: Verdict, weights: str, tmp_path: Path) -> None:
    given = verdict.model_copy(update={"weights": weights})
    (tmp_path / "a.verdict.json").write_text(given.to_json())
    (tmp_path / "verdict.json").write_text(given.to_json())
    assert verdict_beside(tmp_path / "a.tif") == verdict_beside(tmp_path) == given
    assert ("weights" in given.to_json()) is bool(weights)  # verdicts from before there was one keep their text
    assert verdict_beside(tmp_path / "b.tif") is None


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{}", b"[1]", b'{"schema": 99}', b'{"schema": 1}'])
def test_what_is_no_verdict_is_said(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.verdict.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"a\.verdict\.json"):
        verdict_beside(tmp_path / "a.tif")
