"""Marks runs that were killed: Prefect leaves them "Running" for ever.

Each run holds a lock file of its own; the operating system frees the lock of a killed process, so a free lock is a dead run.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from filelock import FileLock, Timeout


@contextmanager
def alive(folder: Path, run_id: UUID | None) -> Iterator[None]:
    """Mark the dead runs of a workspace as crashed, and hold this run's lock while the block lasts."""
    if run_id is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.lock")):
        _bury(path)
    own = folder / f"{run_id}.lock"
    with FileLock(str(own)):
        yield
    own.unlink(missing_ok=True)


def _bury(path: Path) -> None:
    lock = FileLock(str(path))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return
    try:
        _mark_crashed(UUID(path.stem))
    except Exception as error:
        # Another server's run, a database that is new, a file of someone else's: the mark is a courtesy to the page.
        warnings.warn(f"a killed run could not be marked ({type(error).__name__})", RuntimeWarning, stacklevel=2)
    finally:
        lock.release()
        path.unlink(missing_ok=True)


def _mark_crashed(run_id: UUID) -> None:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.states import Crashed

    with get_client(sync_client=True) as client:
        try:
            run = client.read_flow_run(run_id)
        except ObjectNotFound:
            return
        if run.state is not None and run.state.is_running():
            client.set_flow_run_state(run_id, Crashed(message="Its process was gone at the start of the next run."), force=True)
