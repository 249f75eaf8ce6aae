"""What Prefect's page shows of a run: progress, the result table, the gate's decision, a link to the report.

Artifacts are a view: the workspace and MLflow hold the truth, and a failure here never stops a run.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, cast
from uuid import UUID

if TYPE_CHECKING:
    from flows.result import FlowResult
    from sr_core.raster import Bytes

LEAST_SHARE = 10.0  # percentage points between two updates
LEAST_PAUSE_S = 3.0


class PrefectLog:
    """A log that shows long work as progress artifacts and sentences as log lines of the flow run.

    Use it inside a flow run only. Each named piece of work is one artifact, made once it has taken three seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._began: dict[str, float] = {}
        self._shown: dict[str, tuple[UUID, float, float]] = {}  # artifact, percentage, time

    def metric(self, name: str, value: float, step: int) -> None:
        """Drop it."""

    def picture(self, name: str, pixels: Bytes, step: int) -> None:
        """Drop it: an artifact takes the address of a picture, not the picture."""

    def say(self, sentence: str) -> None:
        """Write a line to the run's log."""
        from prefect import get_run_logger

        _try(lambda: get_run_logger().info("%s", sentence))

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        """Make or update the artifact, at most every three seconds and every tenth."""
        now = self.clock()
        share = 100.0 * done / total if total else 100.0
        if what not in self._shown:
            began = self._began.setdefault(what, now)
            if done < total and now - began >= LEAST_PAUSE_S:
                _try(lambda: self._make(what, share, now))
            if done >= total:
                self._began.pop(what, None)
            return
        artifact, last, when = self._shown[what]
        if done >= total or (share - last >= LEAST_SHARE and now - when >= LEAST_PAUSE_S):
            _try(lambda: self._update(what, artifact, share, now, detail))
        if done >= total:
            del self._shown[what]
            self._began.pop(what, None)

    def _make(self, what: str, share: float, now: float) -> None:
        from prefect.artifacts import create_progress_artifact

        artifact = cast(UUID, create_progress_artifact(progress=share, key=key(what), description=what))
        self._shown[what] = (artifact, share, now)

    def _update(self, what: str, artifact: UUID, share: float, now: float, detail: str) -> None:
        from prefect.artifacts import update_progress_artifact

        update_progress_artifact(artifact, progress=share, description=f"{what}: {detail}" if detail else what)
        self._shown[what] = (artifact, share, now)


def show(result: FlowResult) -> None:
    """Publish the table, the decision and the link of a finished run."""
    from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

    table = [{"method": r.method, "PSNR, dB": f"{r.psnr_db:.2f}", "SSIM": f"{r.ssim:.4f}"} for r in result.table]
    name = key(result.model)
    _try(lambda: create_table_artifact(key=f"{name}-results", table=table, description=result.protocol))
    _try(lambda: create_markdown_artifact(key=f"{name}-gate", markdown=f"**{result.decision}**\n\n{result.claim}"))
    if result.drift:
        _try(lambda: create_markdown_artifact(key=f"{name}-drift", markdown=result.drift))
    _try(lambda: create_link_artifact(key=f"{name}-report", link=result.report.as_uri(), link_text="HTML report"))


def key(text: str) -> str:
    """Give an artifact key: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "artifact"


def _try(make: Callable[[], object]) -> None:
    try:
        make()
    except Exception as error:
        # Prefect's client raises its own, httpx's and pydantic's errors; a page that cannot be updated is not worth a run.
        warnings.warn(f"Prefect's page was not updated ({type(error).__name__})", RuntimeWarning, stacklevel=2)
