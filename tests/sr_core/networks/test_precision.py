from __future__ import annotations

import pytest
import torch

from sr_core.errors import InputError
from sr_core.networks.precision import bfloat16_gains, choose_precision, full_precision


def test_auto_follows_the_device_and_words_are_obeyed() -> None:
    assert choose_precision("auto", "cpu") == (torch.bfloat16 if bfloat16_gains("cpu") else torch.float32)
    assert choose_precision("float32", "cpu") == torch.float32
    assert choose_precision("bfloat16", "cpu") == torch.bfloat16


@pytest.mark.parametrize(
    ("known", "gains"), [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx512_f": True}, False), ({}, False)]
)
def test_bfloat16_needs_the_cpus_own_instructions(monkeypatch: pytest.MonkeyPatch, known: dict[str, bool], gains: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    assert bfloat16_gains("cpu") is gains


def test_unknown_precision_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="auto, float32 or bfloat16"):
        choose_precision("float16", "cpu")


def test_full_precision_switches_autocast_off() -> None:
    x = torch.rand(4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16
        with full_precision(x.device):
            assert (x @ x).dtype == torch.float32
