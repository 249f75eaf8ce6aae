"""Large pages are a hint: the tensor is the same with it, without it, and where the system refuses."""

from __future__ import annotations

import pytest
import torch

from sr_core.operators import make_operator, memory


def test_advice_stays_inside_the_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []

    def refuse(address: int, size: int, advice: int) -> int:
        asked.append((address, size, advice))
        return -1

    monkeypatch.setattr(memory, "_advise", lambda: refuse)
    like = torch.zeros(1)
    small, large = memory.new_empty(like, (1000, 1000)), memory.new_empty(like, (3, 1000, 1001))
    assert small.shape == (1000, 1000) and large.dtype == torch.float32 and len(asked) == 1
    address, size, _ = asked[0]
    assert large.data_ptr() <= address and address + size <= large.data_ptr() + 4 * large.numel()
    assert address % memory.LARGE_PAGE == size % memory.LARGE_PAGE == 0 and size >= 4 * large.numel() - 2 * memory.LARGE_PAGE


def test_results_are_the_same_without(monkeypatch: pytest.MonkeyPatch) -> None:
    operator, y = make_operator("bicubic", 4), torch.rand((1, 400, 401), generator=torch.Generator().manual_seed(0))
    hinted = operator.adjoint(y)
    assert 4 * hinted.numel() >= memory.SMALLEST
    monkeypatch.setattr(memory, "_advise", lambda: None)
    assert torch.equal(operator.adjoint(y), hinted)
