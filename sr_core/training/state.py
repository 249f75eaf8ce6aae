"""Checkpoints: everything that decides how training goes on, in one file that is either whole or not there.

The file is safetensors: tensors by name, and in its header the format's number, one JSON record (`Progress`) and a sha256 over record
and tensors. There is no pickle in it. The one before is kept; where the newest cannot be used it is said, and the one before is taken.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from sr_core.bundle import CurvePoint
from sr_core.errors import ShapeError, StoreError, WorkspaceError
from sr_core.log import Log
from sr_core.records import Digest, Record
from sr_core.training.clock import Spent

FORMAT = 2  # of the file; 1 had no number
NEWEST = "checkpoint.safetensors"
PREVIOUS = "checkpoint.previous.safetensors"


class Progress(Record):
    """How far training is, besides the tensors.

    Attributes
    ----------
    fingerprint : hash of what is trained on what; another one is another training.
    phase, step : number of the phase in the recipe's list, and how many of its steps are done.
    slowed : how often a tripwire rolled this phase back; every time halves the rate.
    family : the family that the guard left ("linear" where the network did not beat it).
    points : the curve so far.
    perceptual : whether the network is that of the adversarial phase.
    notes : the sentences so far that go into the bundle.
    scores : PSNR in dB on validation images by name, set by the guard.
    spent : time that this phase has used, where a budget may end it; else None, so that equal runs have equal checkpoints.
    """

    fingerprint: Digest
    phase: int
    step: int
    slowed: int = 0
    family: str
    perceptual: bool = False
    points: tuple[CurvePoint, ...] = ()
    notes: tuple[str, ...] = ()
    scores: dict[str, float] = Field(default_factory=dict)
    spent: Spent | None = None


class UnusableCheckpoint(StoreError):
    """A checkpoint reads, but what it holds is not what this training needs."""


@dataclass(frozen=True)
class Checkpoint:
    """A moment of training: the record, and tensors under names such as `net/...`, `average/...`, `optimiser/...`."""

    progress: Progress
    tensors: Mapping[str, Tensor]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Give the tensors below a prefix, without it."""
        start = prefix + "/"
        return {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}


@contextmanager
def restoring(checkpoint: Checkpoint) -> Iterator[None]:
    """Take from a checkpoint inside this block: what it lacks, or has in another shape, ends in words.

    Raises
    ------
    UnusableCheckpoint
        If a tensor is missing, too many, or does not fit.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (KeyError, RuntimeError, ShapeError, StoreError) as error:
        where = f"phase {checkpoint.progress.phase}, step {checkpoint.progress.step}"
        words = " ".join(str(error.args[0] if isinstance(error, KeyError) else error).split())
        raise UnusableCheckpoint(
            f"a checkpoint ({where}) whose tensors do not fit ({words})", "all tensors of this network and phase", "It is left out."
        ) from error


class CheckpointFolder:
    """Keeps the newest two checkpoints of one training run.

    Parameters
    ----------
    folder : made if it is not there.
    log : is told in words when a checkpoint cannot be used.
    """

    def __init__(self, folder: Path, log: Log) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.newest, self.previous = folder / NEWEST, folder / PREVIOUS
        self._log = log
        self._newest_is_good = False  # read or written here: only then it may take the place of the one before

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; whatever happens, an older one stays readable.

        Raises
        ------
        WorkspaceError
            If it cannot be written (a full disk).
        """
        temporary = self.newest.with_name(f".{NEWEST}.{os.getpid()}.partial")
        try:
            with temporary.open("wb") as file:
                file.write(_pack(checkpoint))
                file.flush()
                os.fsync(file.fileno())
            if self._newest_is_good:
                self.newest.replace(self.previous)
            temporary.replace(self.newest)
            self._newest_is_good = True
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise WorkspaceError(
                f"checkpoint {self.newest} cannot be written ({error.strerror})",
                "room on the disk",
                "Free some space and run again: training goes on from the checkpoint before.",
            ) from error

    def load(self, fingerprint: Digest) -> Checkpoint | None:
        """Give the newest checkpoint of this training, or None where there is none; damage is said, never raised."""
        for path in (self.newest, self.previous):
            if not path.is_file():
                continue
            try:
                found = _unpack(path)
            except StoreError as error:
                self._log.say(f"A checkpoint cannot be used: {error}")
                continue
            if found.progress.fingerprint == fingerprint:
                self._newest_is_good = path == self.newest
                return found
            self._log.say(f"{path.name} belongs to another training (recipe, data or precision differ) and is left out.")
        return None

    def drop(self) -> None:
        """Leave out the checkpoint that `load` gave last: the next `load` looks at the one before."""
        (self.newest if self._newest_is_good else self.previous).unlink(missing_ok=True)
        self._newest_is_good = False


def _pack(checkpoint: Checkpoint) -> bytes:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(checkpoint.tensors.items())}
    text = checkpoint.progress.to_json()
    return save(tensors, metadata={"format": str(FORMAT), "progress": text, "sha256": _digest(tensors, text)})


def _unpack(path: Path) -> Checkpoint:
    again = "It is left out."
    try:
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (SafetensorError, OSError, ValueError, struct.error) as error:
        raise StoreError(f"{path.name} does not read ({error})", "a whole safetensors file", again) from error
    found = header.get("format", "1" if "progress" in header else "none")
    if found != str(FORMAT):
        age = "a newer" if found.isdecimal() and int(found) > FORMAT else "an older" if found == "1" else "another"
        raise StoreError(f"{path.name} has checkpoint format {found}, of {age} version of this package", f"format {FORMAT}", again)
    text = header.get("progress", "")
    if header.get("sha256") != _digest(tensors, text):
        raise StoreError(f"{path.name} does not have the contents that its sha256 promises", "an undamaged file", again)
    return Checkpoint(Progress.from_json(text, path.name), tensors)


def _digest(tensors: Mapping[str, Tensor], text: str) -> Digest:
    whole = hashlib.sha256(text.encode())
    for name, tensor in tensors.items():
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        whole.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()
