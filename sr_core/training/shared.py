"""Checkpoints of several processes: the first one's are all there is."""

from __future__ import annotations

from pathlib import Path

from sr_core.log import Log
from sr_core.records import Digest
from sr_core.training.processes import Processes
from sr_core.training.state import Checkpoint, CheckpointFolder


class SharedCheckpoints(CheckpointFolder):
    """A folder that only the first process touches; what it reads, all get.

    Parameters
    ----------
    folder, log : as for `CheckpointFolder`; only the first process uses them.
    processes : those that train together.
    """

    def __init__(self, folder: Path, log: Log, processes: Processes) -> None:
        self._processes = processes
        if processes.first:
            super().__init__(folder, log)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, in the first process."""
        if self._processes.first:
            super().save(checkpoint)

    def load(self, fingerprint: Digest) -> Checkpoint | None:
        """Give the first process's newest checkpoint to all."""
        return self._given(super().load(fingerprint) if self._processes.first else None)

    def drop(self) -> None:
        """Leave out what was read last, in the first process."""
        if self._processes.first:
            super().drop()

    def settled(self, checkpoint: Checkpoint) -> Checkpoint:
        """Give the first process's checkpoint to all, so that they enter a phase alike, whatever their machines round."""
        made = self._given(checkpoint)
        assert made is not None
        return made

    def _given(self, checkpoint: Checkpoint | None) -> Checkpoint | None:
        if self._processes.count == 1:
            return checkpoint
        if self._processes.first and checkpoint is not None:
            checkpoint = Checkpoint(checkpoint.progress, {name: t.detach().cpu() for name, t in checkpoint.tensors.items()})
        return self._processes.agreed(checkpoint)
