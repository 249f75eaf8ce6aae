from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from toy import Run, ToyDomain, run_stages

from flows import environment
from flows.registry import Registry
from flows.tracking import Tracking
from sr_core.log import Silent
from sr_core.records import BundleRef

for _name, _value in environment.QUIET.items():
    os.environ.setdefault(_name, _value)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty MLflow database: made once, because the migrations take seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    Tracking(f"sqlite:///{path}", path.parent).client.search_experiments()
    return path


@pytest.fixture
def tracking(empty_database: Path, tmp_path: Path) -> Tracking:
    copy = tmp_path / "mlflow.db"
    shutil.copy(empty_database, copy)
    return Tracking(f"sqlite:///{copy}", tmp_path / "mlflow")


@pytest.fixture
def registry(tracking: Tracking) -> Registry:
    return Registry(tracking)


@pytest.fixture
def run_id(tracking: Tracking) -> str:
    return tracking.run("sr-test", "key", "test run")


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every stage once, on one toy scene."""
    return run_stages(tmp_path_factory.mktemp("toy"), Silent())


@pytest.fixture(scope="session")
def toy_package(toy_run: Run) -> BundleRef:
    """What a flow would register of it."""
    from sr_core.stages.gate import gate
    from sr_core.stages.package import package

    decision = gate(ToyDomain(), toy_run.evaluation, family="edsr", approved_by=None, champion_level=None, log=Silent())
    return package(toy_run.calibrated, toy_run.evaluation, decision, workspace=toy_run.workspace, log=Silent())


@pytest.fixture
def toy_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the toy domain be found by its name."""
    monkeypatch.setattr("flows.domains.load_domain", lambda name, upscaling_only=False: ToyDomain())
