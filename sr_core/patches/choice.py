"""Which reader a training takes: the one that suits the device, or the streaming one where the images are too large to be held."""

from __future__ import annotations

import math

import torch

from sr_core.log import Log
from sr_core.memory import available_memory
from sr_core.operators.symmetry import Upscale
from sr_core.patches.readers import DeviceReader, MemoryReader, Reader, StreamReader
from sr_core.patches.store import PatchStore

SHARE = 0.5  # of the free memory that images may take; the rest is for the network's activations
PIXEL = 4  # bytes of a value that is held
GIB = 1 << 30


def training_reader(store: PatchStore, bandwise: bool, device: str, upscale: Upscale, log: Log, beside: int = 1) -> Reader:
    """Give the reader of a store's training pairs for a device; all readers give the same batches.

    On CUDA the images are held on the device and gathered there, on a CPU they are held in memory. Where they would take more than
    half of what is free, on the device or of this process's part of the machine, crops are read from the files, and that is said.

    Parameters
    ----------
    store : patches.
    bandwise : whether a sample is one band.
    device : "cpu" or "cuda".
    upscale : the operator's interpolation.
    log : is told where the files are read as they are drawn.
    beside : how many processes of this machine hold the images, each for itself.

    Raises
    ------
    StoreError
        If there is no training patch, the images cannot stand in one batch, or an interpolation that sees whole images would be streamed.
    """
    wanted = held_bytes(store)
    on_device = torch.device(device).type == "cuda"
    machine = available_memory() // beside
    # Not yet measured on a GPU. The images lie in memory twice while they are laid end to end for the device.
    room = min(torch.cuda.mem_get_info(device)[0], machine // 2) if on_device else machine
    if wanted <= SHARE * room:
        return (DeviceReader if on_device else MemoryReader)(store, "train", bandwise, device, upscale)
    log.say(
        f"The training images take {wanted / GIB:.3g} GiB, more than {SHARE:.0%} of the {room / GIB:.3g} GiB that are free: "
        "crops are read from the files as they are drawn."
    )
    return StreamReader(store, "train", bandwise, device, upscale)


def held_bytes(store: PatchStore) -> int:
    """Give the bytes that the training images take as float32, on the grid on which the network sees them."""
    inputs = "lr_shape" if store.plan.grid == "lr" else "hr_shape"
    return sum(PIXEL * (math.prod(getattr(entry, inputs)) + math.prod(entry.hr_shape)) for entry in store.entries("train"))
