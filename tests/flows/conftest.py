from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from flows import environment
from flows.registry import Registry
from flows.tracking import Tracking

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
