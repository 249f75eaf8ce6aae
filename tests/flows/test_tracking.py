from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy import run_stages

from flows.tracking import BATCH, MlflowLog, Tracking, TrackingWarning


def history(tracking: Tracking, run_id: str, name: str) -> list[tuple[int, float]]:
    return sorted((p.step, p.value) for p in tracking.client.get_metric_history(run_id, name))


def pictures(tracking: Tracking, run_id: str) -> list[tuple[str, int]]:
    """Names and steps of the pictures among the run's artifacts, each as often as it lies there."""
    root = Path(tracking.client.download_artifacts(run_id, "pictures"))
    files = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
    assert all(path.suffix == ".png" for path in files)
    return [(str(path.parent), int(path.stem.removeprefix("step_"))) for path in files]


def test_experiment_keeps_its_artifacts_in_the_given_folder(tracking: Tracking) -> None:
    number = tracking.experiment("sr-x")
    assert tracking.experiment("sr-x") == number
    assert tracking.client.get_experiment(number).artifact_location == (tracking.artifacts / "sr-x").as_uri()


def test_the_same_work_takes_up_the_same_run(tracking: Tracking) -> None:
    first = tracking.run("sr-x", "k1", "a")
    tracking.client.set_terminated(first, "FAILED")
    assert tracking.run("sr-x", "k1", "a") == first
    assert tracking.client.get_run(first).info.status == "RUNNING"
    assert tracking.run("sr-x", "k2", "a") != first


def test_metrics_are_batched(tracking: Tracking, run_id: str) -> None:
    log = MlflowLog(tracking, run_id, clock=lambda: 1000.0)
    for step in range(BATCH - 1):
        log.metric("loss", 1.0 / (step + 1), step)
    assert history(tracking, run_id, "loss") == []
    log.metric("loss", 0.0, BATCH)
    assert len(history(tracking, run_id, "loss")) == BATCH
    log.metric("loss", 0.0, BATCH + 1)
    log.end()
    assert len(history(tracking, run_id, "loss")) == BATCH + 1
    assert tracking.client.get_run(run_id).info.status == "FINISHED"


def test_waiting_metrics_are_written_after_some_seconds(tracking: Tracking, run_id: str) -> None:
    now = [0.0]
    log = MlflowLog(tracking, run_id, clock=lambda: now[0])
    log.metric("loss", 3.0, 1)
    now[0] = 6.0
    log.metric("loss", 2.0, 2)
    assert history(tracking, run_id, "loss") == [(1, 3.0), (2, 2.0)]


def test_a_resumed_run_logs_only_later_steps(tracking: Tracking, run_id: str) -> None:
    first = MlflowLog(tracking, run_id)
    for step in (10, 20, 30):
        first.metric("loss", float(step), step)
    first.flush()
    second = MlflowLog(tracking, run_id)
    for step in (20, 30, 40):
        second.metric("loss", float(step), step)
    second.flush()
    assert [step for step, _ in history(tracking, run_id, "loss")] == [10, 20, 30, 40]


def test_parameters_are_set_once(tracking: Tracking, run_id: str) -> None:
    log = MlflowLog(tracking, run_id)
    log.parameters({"training.steps": 360, "scale": 2})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log.parameters({"training.steps": 360, "scale": 2, "seed": 1})
    assert tracking.client.get_run(run_id).data.params == {"training.steps": "360", "scale": "2", "seed": "1"}


def test_files_go_into_the_run(tracking: Tracking, run_id: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<p>")
    log = MlflowLog(tracking, run_id)
    log.file(tmp_path / "report.html", "report")
    assert [a.path for a in tracking.client.list_artifacts(run_id, "report")] == ["report/report.html"]


def test_a_failure_to_log_is_one_warning_and_never_an_error(tracking: Tracking, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ConnectionError("planted")

    log = MlflowLog(tracking, run_id)
    monkeypatch.setattr(tracking.client, "log_batch", broken)
    with pytest.warns(TrackingWarning, match="ConnectionError") as seen:
        for step in range(3 * BATCH):
            log.metric("loss", 1.0, step)
    assert len(seen) == 1


def test_a_picture_is_logged_once_a_name_and_step(tracking: Tracking, run_id: str) -> None:
    shade = np.full((8, 20, 3), 7, np.uint8)
    for steps in ((6, 12), (12, 18)):  # the second log is that of the resumed run
        log = MlflowLog(tracking, run_id)
        for step in steps:
            log.picture("train/window_1", shade, step)
            log.picture("adversarial/window_1", shade + 1, step)
    assert pictures(tracking, run_id) == [(f"{curve}/window_1", step) for curve in ("adversarial", "train") for step in (6, 12, 18)]
    with Image.open(tracking.client.download_artifacts(run_id, "pictures/train/window_1/step_000006.png")) as image:
        assert np.array_equal(np.asarray(image), shade)


def test_an_interrupted_and_resumed_training_leaves_each_picture_once(tracking: Tracking, run_id: str, tmp_path: Path) -> None:
    class Stopping(MlflowLog):
        def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
            if what == "training" and done == 22:  # pictures of steps 10 and 20 are logged; the newest checkpoint is that of step 16
                raise KeyboardInterrupt

    settings = {"training.steps": 30, "training.checkpoint_every": 8, "training.validate_every": 10, "training.log_every": 5}
    with pytest.raises(KeyboardInterrupt):
        run_stages(tmp_path / "run", Stopping(tracking, run_id), **settings)
    windows = ("train/window_1", "train/window_2")
    assert pictures(tracking, run_id) == [(name, step) for name in windows for step in (10, 20)]
    log = MlflowLog(tracking, run_id)
    run_stages(tmp_path / "run", log, **settings)
    log.end()
    assert pictures(tracking, run_id) == [(name, step) for name in windows for step in (10, 20, 30)]
    for name, steps in (("train/rate", range(5, 31, 5)), ("train/loss", range(5, 31, 5)), ("val/psnr_db", (10, 20, 30))):
        assert [step for step, _ in history(tracking, run_id, name)] == list(steps), name
