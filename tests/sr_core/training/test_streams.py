"""Random streams: same name same numbers, other name unrelated ones."""

from __future__ import annotations

import torch

from sr_core.training import stream


def draw(*names: str, seed: int = 1) -> list[int]:
    return torch.randint(1 << 30, (4,), generator=stream(seed, *names)).tolist()


def test_a_stream_is_the_same_whatever_was_drawn_before() -> None:
    first = draw("patches", "pixel")
    torch.rand(100)
    draw("other")
    assert draw("patches", "pixel") == first


def test_names_and_seeds_make_different_streams() -> None:
    names = [("patches",), ("pixel",), ("patches", "pixel"), ("pixel", "patches"), ("patchespixel",)]
    streams = [draw(*name) for name in names] + [draw("patches", seed=2)]
    assert len({tuple(numbers) for numbers in streams}) == len(streams)


def test_the_seeding_is_sha256_of_seed_and_names() -> None:
    # Independent: python -c "import hashlib; print(int(hashlib.sha256(b'1\x1fpatches').hexdigest()[:16], 16) >> 1)"
    assert stream(1, "patches").initial_seed() == GOLDEN


GOLDEN = 6879995216320916486
