from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from flows.cli import data, images
from flows.cli.main import app
from sr_core.errors import InputError, Interrupted, WorkspaceError

HEAVY = ("torch", "prefect", "mlflow", "rasterio", "pydicom", "matplotlib", "skimage", "numpy")
COMMANDS = (
    "demo", "run", "ingest", "prepare", "train", "evaluate", "upscale", "models", "report", "serve", "deploy", "workspace", "doctor",
)  # fmt: skip


@pytest.fixture
def sr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("SR_WORKSPACE", str(tmp_path / "var"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return CliRunner()


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; sys.argv = ['sr', '--help']\n"
        "from flows.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit as leaving:\n    assert not leaving.code\n"
        f"print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"})
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stderr
    for command in COMMANDS:
        assert command in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches(command: str, sr: CliRunner) -> None:
    result = sr.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage: " in result.output


def test_version(sr: CliRunner) -> None:
    result = sr.invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("sr ")


def test_unknown_command_and_option_are_the_users_fault(sr: CliRunner) -> None:
    assert sr.invoke(app, ["trian"]).exit_code == 2
    assert sr.invoke(app, ["train", "satellite", "x", "--stepz", "3"]).exit_code == 2
    assert sr.invoke(app, ["upscale", "satellite", "x.tif"]).exit_code == 2  # no --out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ingest", "satelite", "x.tif"], "expected one of"),
        (["demo", "satelite"], "expected one of"),
        (["ingest", "satellite", "gone.tif"], "gone.tif"),
        (["run", "satellite", "gone.tif"], "gone.tif does not exist"),
        (["train", "satellite", "x.tif", "--set", "training.stepz=3"], "training.steps"),
        (["train", "satellite", "x.tif", "--set", "training"], "NAME=VALUE"),
        (["train", "satellite", "x.tif", "--scale", "17"], "scale"),
        (["models", "list"], "no registry in"),
        (["models", "promote", "sr-satellite", "1"], "no registry in"),
        (["report"], "no registry in"),
        (["deploy", "run", "sr-satellite", "--api", "http://127.0.0.1:9/api"], "nothing answers at http://127.0.0.1:9/api"),
        (["workspace", "prune", "--max", "much"], "a number and a unit"),
    ],
)
def test_a_fault_of_the_user_is_one_sentence_and_exit_code_2(arguments: list[str], words: str, sr: CliRunner) -> None:
    result = sr.invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert words in result.stderr
    assert result.stderr.startswith("sr: ")
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_workspace_that_cannot_be_made(sr: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "x.tif").write_text("text")
    result = sr.invoke(app, ["ingest", "satellite", str(tmp_path / "x.tif"), "--workspace", str(tmp_path / "file" / "var")])
    assert result.exit_code == 2
    assert "--workspace" in result.stderr


def _command(error: BaseException) -> typer.Typer:
    from flows.cli.main import Commands

    small = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @small.command("fail")
    def fail() -> None:
        raise error

    @small.command("other")
    def other() -> None:
        pass

    return small


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("a", "b", "C."), 2, "sr: a; expected b. C."),
        (WorkspaceError("a", "b", "C."), 1, "sr: a; expected b. C."),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Interrupted(signal.SIGTERM, "a; go on at step 3."), 143, "sr: a; go on at step 3."),
        (Interrupted(signal.SIGINT, "b"), 130, "sr: b"),
        (PermissionError(13, "Permission denied", "/x"), 2, "/x: Permission denied"),
    ],
)
def test_exit_codes(error: BaseException, code: int, words: str, sr: CliRunner) -> None:
    result = sr.invoke(_command(error), ["fail"])
    assert result.exit_code == code
    assert words in result.stderr


def test_a_fault_of_ours_is_not_hidden(sr: CliRunner) -> None:
    result = sr.invoke(_command(ZeroDivisionError("planted")), ["fail"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_doctor_speaks_to_machines(sr: CliRunner) -> None:
    result = sr.invoke(app, ["doctor", "--json"])
    findings = {f["what"]: f for f in json.loads(result.stdout)}
    assert findings["torchvision"]["state"] == "ok"
    assert findings["torch"]["found"].startswith("2.")
    assert "precision" in findings and "device" in findings
    assert result.exit_code == 0
    formats = next(finding for finding in json.loads(result.stdout) if finding["what"] == "raster formats")
    assert (
        formats["state"] == "ok" and "JPEG 2000, VRT, netCDF, HDF5" in formats["found"] and "no driver for HDF4 (HDF4)" in formats["found"]
    )


def test_settings_are_read() -> None:
    from flows.cli.options import settings

    assert settings(["a.b=1", "c==x"], scale=3, steps=20) == {"a.b": "1", "c": "=x", "scale": 3, "training.steps": 20}


def test_stage_commands_share_their_options() -> None:
    import inspect

    for command in (data.ingest, data.prepare, data.train, data.evaluate):
        assert {"domain", "paths", "workspace", "json"} <= set(inspect.signature(command).parameters)
    assert {"images", "workspace", "json"} <= set(inspect.signature(images.upscale).parameters)
