"""Random streams with names: a draw never depends on what else was drawn, in which order, or by how many workers."""

from __future__ import annotations

import hashlib

import torch


def stream(seed: int, *names: str) -> torch.Generator:
    """Give the CPU generator of a named stream.

    Parameters
    ----------
    seed : the recipe's seed, >= 0.
    names : what the stream is for, from wide to narrow ("patches", "pixel"). Order counts, and ("a", "b") is not ("ab",).

    Notes
    -----
    The generator is seeded with the first 63 bits of sha256 over seed and names, so that near seeds give unrelated streams.
    """
    body = "\x1f".join([str(seed), *names]).encode()
    number = int.from_bytes(hashlib.sha256(body).digest()[:8], "big") >> 1
    return torch.Generator(device="cpu").manual_seed(number)
