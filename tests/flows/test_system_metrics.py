"""The machine's figures on a run's page: they come, they go on after a resume, and no thread stays behind."""

from __future__ import annotations

import threading

import pytest

from flows.system_metrics import system_metrics
from flows.tracking import Tracking, TrackingWarning

CPU, MEMORY = "system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Counts how often the monitor has written: a test waits for it instead of for the clock."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    count, honest = threading.Semaphore(0), SystemMetricsMonitor.publish_metrics

    def publish(self: SystemMetricsMonitor, metrics: dict[str, float]) -> None:
        honest(self, metrics)
        count.release()

    monkeypatch.setattr(SystemMetricsMonitor, "publish_metrics", publish)
    return count


def steps(tracking: Tracking, run_id: str, name: str) -> list[int]:
    return [point.step for point in tracking.client.get_metric_history(run_id, name)]


def monitors() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "SystemMetricsMonitor"]


def test_figures_are_logged_and_go_on_when_the_run_is_taken_up(tracking: Tracking, run_id: str, published: threading.Semaphore) -> None:
    for rounds in (2, 3):
        with system_metrics(tracking, run_id, every=0.01):
            assert all(published.acquire(timeout=60) for _ in range(rounds))
            assert monitors() == ["SystemMetricsMonitor"]
        assert monitors() == []
    for name in (CPU, MEMORY):
        found = steps(tracking, run_id, name)
        assert len(found) >= 5 and found == list(range(len(found))), "every step once"
    assert all(point.value > 0 for point in tracking.client.get_metric_history(run_id, MEMORY))


def test_a_failure_leaves_no_thread_behind(tracking: Tracking, run_id: str, published: threading.Semaphore) -> None:
    with pytest.raises(KeyboardInterrupt), system_metrics(tracking, run_id, every=0.01):
        assert published.acquire(timeout=60)
        raise KeyboardInterrupt
    assert monitors() == [] and steps(tracking, run_id, CPU)


def test_the_work_goes_on_where_the_monitor_cannot_start(tracking: Tracking, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("planted")

    monkeypatch.setattr("mlflow.system_metrics.system_metrics_monitor.SystemMetricsMonitor.__init__", broken)
    with pytest.warns(TrackingWarning, match="OSError"), system_metrics(tracking, run_id):
        done = True
    assert done and monitors() == []
