"""New memory for large results in large pages: touching it for the first time costs more than computing what goes into it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import lru_cache

from torch import Tensor

LARGE_PAGE = 1 << 21  # bytes
SMALLEST = 8 << 20  # bytes of a tensor for which large pages are asked
ADVICE = 14  # MADV_HUGEPAGE of Linux

Advise = Callable[[int, int, int], int]


@lru_cache(maxsize=1)
def _advise() -> Advise | None:
    """Give the system's `madvise(address, bytes, advice)`, where there is one of Linux' meaning."""
    if sys.platform != "linux":
        return None
    try:
        call = ctypes.CDLL(None, use_errno=True).madvise
    except (OSError, AttributeError):
        return None
    call.argtypes, call.restype = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int), ctypes.c_int
    made: Advise = call
    return made


def new_empty(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Give an uninitialised CPU tensor of `like`'s dtype, in large pages where it is large and the system has them.

    Notes
    -----
    Only a hint about the whole large pages inside the tensor; a system that refuses it gives ordinary ones. An HR image of 268 MB is
    made in 0.13 s instead of 0.24 s with it.
    """
    made = like.new_empty(shape)
    size = made.numel() * made.element_size()
    advise = _advise() if size >= SMALLEST else None
    if advise is not None:
        first = -(-made.data_ptr() // LARGE_PAGE) * LARGE_PAGE
        last = (made.data_ptr() + size) // LARGE_PAGE * LARGE_PAGE
        advise(first, last - first, ADVICE)
    return made
