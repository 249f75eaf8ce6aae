"""Where and in which number format a network runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch

from sr_core.errors import InputError


def training_device() -> str:
    """Give "cuda" where PyTorch can use one, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def bfloat16_gains(device: str) -> bool:
    """Say whether bfloat16 is computed by the device's own instructions; an emulated one is slower than float32."""
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def choose_precision(wanted: str, device: str, refused: Collection[str] = ()) -> torch.dtype:
    """Turn a recipe's precision into a number format.

    Parameters
    ----------
    wanted : "auto" (bfloat16 where the device gains from it), "float32", "bfloat16" or, on CUDA, "float16".
    device : "cpu", "cuda", "cuda:1".
    refused : formats that "auto" does not take, because a measurement spoke against them; by name they can be had.

    Raises
    ------
    InputError
        If `wanted` is none of these.

    Notes
    -----
    Only the network's residual is computed in a shortened format; the base to which it is added stays in float32.
    """
    if wanted == "auto":
        return torch.bfloat16 if bfloat16_gains(device) and "bfloat16" not in refused else torch.float32
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if torch.device(device).type == "cuda":
        known["float16"] = torch.float16
    if wanted not in known:
        *most, last = ("auto", *known)
        raise InputError(f"precision {wanted!r} on {device}", f"{', '.join(most)} or {last}", "Give one of these.")
    return known[wanted]


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Compute in the tensors' own format: no autocast and, on CUDA, no shortened (TF32) products."""
    with torch.autocast(device.type, enabled=False):
        if device.type != "cuda":
            yield
            return
        shortened = torch.backends.cudnn.allow_tf32
        torch.backends.cudnn.allow_tf32 = False
        try:
            yield
        finally:
            torch.backends.cudnn.allow_tf32 = shortened
