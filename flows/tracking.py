"""MLflow runs: one run a (manifest, recipe, stage contract), resumed when the same work is taken up again.

A failure to log is a warning and never stops the work: what counts lies in the workspace.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sr_core.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    from sr_core.raster import Bytes

RUN_KEY = "sr.key"
BATCH = 50  # one write of 50 metrics costs what one single metric costs
FLUSH_EVERY_S = 5.0
LONGEST_PARAMETER = 6000


class TrackingWarning(UserWarning):
    """Something could not be logged; the work goes on."""


class Tracking:
    """An MLflow address and a place for what runs leave.

    Parameters
    ----------
    uri : str
        Tracking and registry address.
    artifacts : Path
        Absolute folder for artifacts of experiments that we make; used for local databases only (a server has its own).

    Raises
    ------
    RegistryError
        If the address cannot be used.
    """

    def __init__(self, uri: str, artifacts: Path) -> None:
        import mlflow
        from mlflow import MlflowClient

        _quiet()
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        self.uri = uri
        self.artifacts = artifacts
        self.client: MlflowClient = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def experiment(self, name: str) -> str:
        """Give the id of an experiment, made if it is not there, its artifacts under the workspace.

        Raises
        ------
        RegistryError
            If the database or server does not answer.
        """
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_experiment_by_name(name)
            if found is not None:
                return str(found.experiment_id)
            local = self.uri.startswith("sqlite:")
            folder = self.artifacts / name
            if local:
                folder.mkdir(parents=True, exist_ok=True)
            return str(self.client.create_experiment(name, artifact_location=folder.as_uri() if local else None))
        except (MlflowException, OSError) as error:
            if (again := self.client.get_experiment_by_name(name)) is not None:  # made by another run meanwhile
                return str(again.experiment_id)
            raise RegistryError(
                f"MLflow at {self.uri} ({type(error).__name__})", "a database or server that answers", "Check MLFLOW_TRACKING_URI."
            ) from error

    def run(self, experiment: str, key: str, name: str) -> str:
        """Give the id of the run of a key: the earlier one, taken up again, or a new one."""
        number = self.experiment(experiment)
        found = self.client.search_runs([number], f"tags.`{RUN_KEY}` = '{key}'", max_results=1)
        if found:
            run_id = str(found[0].info.run_id)
            self.client.update_run(run_id, status="RUNNING")
            return run_id
        return str(self.client.create_run(number, tags={RUN_KEY: key, "mlflow.runName": name}, run_name=name).info.run_id)


class MlflowLog:
    """A log whose metrics go to an MLflow run in batches, and its pictures; steps that the run holds already are not logged again.

    Parameters
    ----------
    tracking : Tracking
    run_id : str
    clock : wall time in seconds.
    """

    def __init__(self, tracking: Tracking, run_id: str, clock: Callable[[], float] = time.time) -> None:
        self.client = tracking.client
        self.run_id = run_id
        self.clock = clock
        self._waiting: list[Metric] = []
        self._flushed = clock()
        self._last: dict[str, int] = {}
        self._warned: set[str] = set()

    def metric(self, name: str, value: float, step: int) -> None:
        """Take a metric; written with others, at the latest at the next metric after five seconds."""
        if step <= self._last_step(name):
            return
        from mlflow.entities import Metric

        self._waiting.append(Metric(name, float(value), int(self.clock() * 1000), step))
        self._last[name] = step
        if len(self._waiting) >= BATCH or self.clock() - self._flushed >= FLUSH_EVERY_S:
            self.flush()

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        """Drop it."""

    def picture(self, name: str, pixels: Bytes, step: int) -> None:
        """Take a picture into the run's artifacts, `pictures/<name>/step_<step>.png`; a step that comes again takes its old place.

        MLflow's own pictures over steps are not used: its page writes all parameters over them, and a recipe has many.
        """
        place = f"pictures/{name}/step_{step:06d}.png"
        self._try("pictures", lambda: self.client.log_image(self.run_id, pixels, artifact_file=place))

    def say(self, sentence: str) -> None:
        """Drop it."""

    def flush(self) -> None:
        """Write what waits."""
        batch, self._waiting = self._waiting, []
        self._flushed = self.clock()
        if batch:
            self._try("metrics", lambda: self.client.log_batch(self.run_id, metrics=batch))

    def parameters(self, values: Mapping[str, object]) -> None:
        """Log parameters that the run does not hold yet (MLflow refuses a second value)."""
        from mlflow.entities import Param

        def write() -> None:
            present = self.client.get_run(self.run_id).data.params
            fresh = [Param(k, str(v)[:LONGEST_PARAMETER]) for k, v in values.items() if k not in present]
            if fresh:
                self.client.log_batch(self.run_id, params=fresh)

        self._try("parameters", write)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags of the run."""
        from mlflow.entities import RunTag

        self._try("tags", lambda: self.client.log_batch(self.run_id, tags=[RunTag(k, v) for k, v in values.items()]))

    def file(self, path: Path, folder: str | None = None) -> None:
        """Copy a file or a folder into the run's artifacts."""
        if path.is_dir():
            self._try(path.name, lambda: self.client.log_artifacts(self.run_id, str(path), folder))
        else:
            self._try(path.name, lambda: self.client.log_artifact(self.run_id, str(path), folder))

    def end(self, status: str = "FINISHED") -> None:
        """Write what waits and end the run: "FINISHED" or "FAILED"."""
        self.flush()
        self._try("the end of the run", lambda: self.client.set_terminated(self.run_id, status))

    def _last_step(self, name: str) -> int:
        if name not in self._last:
            self._last[name] = -1
            self._try("the history", lambda: self._read_last(name))
        return self._last[name]

    def _read_last(self, name: str) -> None:
        if name in self.client.get_run(self.run_id).data.metrics:
            self._last[name] = max(point.step for point in self.client.get_metric_history(self.run_id, name))

    def _try(self, what: str, write: Callable[[], object]) -> None:
        try:
            write()
        except Exception as error:
            # MLflow raises its own, SQLAlchemy's, requests' and the operating system's errors; none of them may stop a training.
            if what not in self._warned:
                self._warned.add(what)
                warnings.warn(
                    f"MLflow did not take {what} ({type(error).__name__}); the work goes on without", TrackingWarning, stacklevel=2
                )


def _quiet() -> None:
    """Keep MLflow's and Alembic's start-up lines off the screen; errors still show."""
    import logging

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
