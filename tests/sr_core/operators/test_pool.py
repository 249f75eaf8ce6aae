"""Threads: the same bits for any number, errors come out, settings are kept."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor

from sr_core.operators import blocks, make_operator, pool
from sr_core.operators.engine import single_thread


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let eight workers run whatever the machine has, on shares of one or two strips."""
    monkeypatch.setattr(pool, "cores", lambda: 8)
    monkeypatch.setattr(blocks, "SHARE_PIXELS", 1)


def image(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("workers", [2, 3, 8])
@pytest.mark.parametrize("kind", ["bicubic", "box", "gaussian"])
def test_any_number_of_threads_gives_the_same_bits(kind: str, workers: int) -> None:
    for scale, height, width in ((2, 77, 130), (3, 101, 40), ((4, 1), 50, 90), ((1, 4), 75, 33), (8, 41, 29)):
        operator = make_operator(kind, scale, **({"sigma": 1.6, "taps": 7} if kind == "gaussian" else {}))
        rows, cols = operator.scale
        x, y = image(3, height * rows, width * cols), image(3, height, width, seed=1)
        for transposed, made_of, plus in ((False, x, None), (True, y, None), (True, y, x)):
            one = blocks.transform(made_of, operator.rows, operator.cols, transposed, plus, 1)  # type: ignore[attr-defined]
            with single_thread():
                more = blocks.transform(made_of, operator.rows, operator.cols, transposed, plus, workers)  # type: ignore[attr-defined]
            assert torch.equal(one, more)
        added = blocks.transform(y, operator.rows, operator.cols, True, None) + x  # type: ignore[attr-defined]
        assert torch.equal(one, added)


@pytest.mark.usefixtures("many")
def test_the_set_number_of_threads_is_used_and_kept() -> None:
    operator, x, before = make_operator("bicubic", 2), image(2, 200, 200), torch.get_num_threads()
    torch.set_num_threads(1)
    one = operator.apply(x)
    try:
        torch.set_num_threads(3)
        with torch.inference_mode():
            made = operator.apply(x)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert torch.equal(made, one)


@pytest.mark.usefixtures("many")
def test_tasks_are_done_once_by_several_threads() -> None:
    meeting, done = threading.Barrier(3, timeout=60), []

    def task(n: int) -> None:
        if n < 3:
            meeting.wait()  # passes only when three threads are in a task at once
        done.append(n)

    pool.share([lambda n=n: task(n) for n in range(20)], 3)  # type: ignore[misc]
    assert sorted(done) == list(range(20))


def test_no_more_workers_than_cores_and_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "cores", lambda: 1)
    seen: list[int] = []
    pool.share([lambda: seen.append(threading.get_ident())] * 4, 8)
    assert set(seen) == {threading.get_ident()}
    assert pool.cores() == 1
    pool.share([], 4)


@pytest.mark.usefixtures("many")
def test_an_error_comes_out_and_stops_the_rest() -> None:
    done: list[int] = []

    def task(n: int) -> None:
        if n == 2:
            raise ValueError("planted")
        done.append(n)

    with pytest.raises(ValueError, match="planted"):
        pool.share([lambda n=n: task(n) for n in range(1000)], 4)  # type: ignore[misc]
    assert len(done) < 1000


def test_the_last_strips_stay_with_one_worker() -> None:
    cuts = blocks._cuts(blocks.plan(make_operator("bicubic", 2).rows, 2 * 69, False), 69)  # type: ignore[attr-defined]
    shares = blocks._shares(cuts, blocks.SHARE_PIXELS)
    assert [cut for some in shares for cut in some] == cuts
    assert cuts[-1].to.start < cuts[-2].to.stop  # they do overlap
    assert len(shares[-1]) >= 2
