"""Processor, memory, disk, network and GPU of this machine on a run's page, by MLflow's own monitor."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from flows.tracking import Tracking, TrackingWarning

EVERY_S = 5.0  # between two samples; $MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL overrides it


@contextmanager
def system_metrics(tracking: Tracking, run_id: str, every: float = EVERY_S) -> Iterator[None]:
    """Sample the machine while the body runs, into metrics `system/...` of a run; taken up again, they go on where they stood.

    However the body ends, the monitor's thread ends with it. GPU figures need the extra `gpu`. Where the monitor cannot start, that is
    a `TrackingWarning`.
    """
    monitor = None
    try:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(run_id, sampling_interval=every, resume_logging=True, tracking_uri=tracking.uri)
        monitor.start()
    except Exception as error:
        # MLflow raises its own, SQLAlchemy's and the operating system's errors; figures of the machine are not worth a run.
        warnings.warn(
            f"MLflow does not watch this machine ({type(error).__name__}); the work goes on without", TrackingWarning, stacklevel=2
        )
    try:
        yield
    finally:
        if monitor is not None:
            monitor.finish()
