from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import environment
from sr_core.errors import InputError

WATCHED = (
    *environment.QUIET, *environment.EMBEDDED, "PREFECT_HOME", "MLFLOW_TRACKING_URI", "PREFECT_API_URL",
    environment.OWN_TRACKING, environment.WORKSPACE_VARIABLE,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    before = dict(os.environ)
    for name in WATCHED:
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_telemetry_is_off_with_the_word_that_mlflow_honours(tmp_path: Path) -> None:
    environment.prepare(tmp_path / "deep" / "var", embedded=True)
    assert os.environ["DO_NOT_TRACK"] == "true"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


def test_homes_are_absolute_and_made_with_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = environment.workspace_folder("a/b")
    environment.prepare(folder, embedded=True)
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "a/b/prefect")
    assert (tmp_path / "a/b/prefect").is_dir()
    assert os.environ["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path}/a/b/mlflow.db"
    assert "PREFECT_API_URL" not in os.environ
    assert os.environ["PREFECT_PROFILE"] == "ephemeral"


def test_what_the_user_set_stays(tmp_path: Path) -> None:
    own = {"PREFECT_HOME": "/x", "MLFLOW_TRACKING_URI": "http://h:1", "DO_NOT_TRACK": "1", "PREFECT_SERVER_LOGGING_LEVEL": "DEBUG"}
    os.environ.update(own)
    environment.prepare(tmp_path, embedded=True)
    assert {name: os.environ[name] for name in own} == own


def test_our_own_earlier_address_gives_way_to_the_next_workspace(tmp_path: Path) -> None:
    first = environment.set_tracking(os.environ, tmp_path / "one")
    second = environment.set_tracking(os.environ, tmp_path / "two")
    assert (first, second) == (f"sqlite:///{tmp_path}/one/mlflow.db", f"sqlite:///{tmp_path}/two/mlflow.db")


def test_a_server_that_is_gone_is_replaced_by_the_embedded_one_and_a_live_one_is_kept(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        live = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        os.environ["PREFECT_API_URL"] = live
        environment.prepare(tmp_path, embedded=True)
        assert os.environ["PREFECT_API_URL"] == live
    environment.prepare(tmp_path, embedded=True)
    assert "PREFECT_API_URL" not in os.environ


def test_without_embedding_the_api_address_is_left_alone(tmp_path: Path) -> None:
    environment.prepare(tmp_path, embedded=False)
    assert "PREFECT_API_URL" not in os.environ


def test_default_workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert environment.workspace_folder() == tmp_path / "var"
    monkeypatch.setenv("SR_WORKSPACE", "/elsewhere")
    assert environment.workspace_folder() == Path("/elsewhere")
    assert environment.workspace_folder("given") == tmp_path / "given"


def test_a_file_in_the_way_is_the_users_fault_in_words(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    with pytest.raises(InputError, match="--workspace"):
        environment.prepare(tmp_path / "var", embedded=True)


def test_pages_quote_what_has_blanks(tmp_path: Path) -> None:
    prefect, mlflow = environment.pages(tmp_path / "my work")
    assert f"PREFECT_HOME='{tmp_path}/my work/prefect' " in prefect
    assert "prefect server start" in prefect and "mlflow ui " in mlflow
    assert f"'sqlite:///{tmp_path}/my work/mlflow.db'" in mlflow
