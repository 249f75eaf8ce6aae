"""What `sr doctor` finds out about a machine."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from flows.storage import size_text
from sr_core.errors import WorkspaceError

State = Literal["ok", "note", "missing"]
NEEDED = (
    "torch", "numpy", "scipy", "h5py", "safetensors", "pydantic", "prefect", "mlflow", "rasterio", "rio-cogeo", "scikit-image", "pillow",
    "pydicom", "highdicom", "pylibjpeg-openjpeg", "pylibjpeg-rle", "pyjpegls",  # the last three: JPEG 2000, RLE, JPEG-LS in DICOM
)  # fmt: skip
INSTALL = "python -m pip install -c infra/constraints.txt -e '.[demo]'"
ROOM_BYTES = 5 * 10**9


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found, and what to do where it is not as it should be."""

    what: str
    state: State
    found: str
    remedy: str = ""


def examine(workspace: Path) -> list[Finding]:
    """Look at everything; a look that fails is itself a finding."""
    findings = [_python(), *(_package(name) for name in NEEDED), _fastapi(), _no_torchvision()]
    looks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("device", _device),
        ("precision", _precision),
        ("raster formats", _drivers),
        ("DICOM 12-bit and lossless JPEG", _libjpeg),
        ("demonstration images", _demo_images),
        ("workspace", lambda: _room(workspace)),
        ("Prefect server", _prefect),
        ("telemetry", _telemetry),
    )
    for what, look in looks:
        try:
            findings.append(look())
        except Exception as error:  # a broken installation fails in any way it likes, and this is where one finds out
            findings.append(Finding(what, "missing", f"could not be looked at: {type(error).__name__}: {error}", INSTALL))
    return findings


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    right = sys.version_info[:2] == (3, 11)
    return Finding("python", "ok" if right else "missing", found, "" if right else "Install Python 3.11 and run: make setup")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _package(name: str) -> Finding:
    found = _installed(name)
    return Finding(name, "ok", found) if found else Finding(name, "missing", "not installed", INSTALL)


def _fastapi() -> Finding:
    found = _installed("fastapi") or "not installed"
    right = found.startswith("0.") and int(found.split(".")[1]) < 151
    return Finding(
        "fastapi", "ok" if right else "missing", found, "" if right else "Prefect 3.8's server needs fastapi below 0.151: " + INSTALL
    )


def _no_torchvision() -> Finding:
    if importlib.util.find_spec("torchvision") is None:
        return Finding("torchvision", "ok", "absent, as it should be")
    return Finding(
        "torchvision",
        "note",
        "installed",
        "Nothing here needs it, and one that does not fit breaks other packages: python -m pip uninstall torchvision",
    )


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("device", "ok", f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}")
    found = f"CPU, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    return Finding("device", "ok", found, "" if torch.version.cuda else "For an NVIDIA GPU install a CUDA build of torch (see README).")


def _precision() -> Finding:
    from sr_core.networks.precision import choose_precision, training_device

    device = training_device()
    return Finding("precision", "ok", f"{str(choose_precision('auto', device)).removeprefix('torch.')} on {device}")


def _drivers() -> Finding:
    from domains.satellite.opening import FORMATS, drivers

    there = drivers()
    has = [kind.name for kind in FORMATS if kind.driver in there]
    lacks = [f"{kind.name} ({kind.driver})" for kind in FORMATS if kind.driver not in there]
    found = ", ".join(has) + (f"; no driver for {', '.join(lacks)}" if lacks else "")
    needed = {"GTiff", "COG", "VRT"} <= there
    remedy = "" if needed and not lacks else "Convert such files to GeoTIFF with a GDAL that has the driver." if needed else INSTALL
    return Finding(
        "raster formats", "missing" if not needed else "note" if {"JP2OpenJPEG", "netCDF", "HDF5"} - there else "ok", found, remedy
    )


def _libjpeg() -> Finding:
    found = _installed("pylibjpeg-libjpeg")
    label = "DICOM 12-bit and lossless JPEG"
    if found:
        return Finding(label, "ok", f"pylibjpeg-libjpeg {found} (GPL-3.0)")
    return Finding(
        label, "note", "no decoder; such files are refused", "python -m pip install -c infra/constraints.txt -e '.[jpeg]' (GPL-3.0)"
    )


def _demo_images() -> Finding:
    found = _installed("spyndex")
    if found:
        return Finding("demonstration images", "ok", f"spyndex {found}")
    return Finding("demonstration images", "note", "spyndex is not installed: no sr demo satellite", INSTALL)


def _room(workspace: Path) -> Finding:
    place = next(folder for folder in (workspace, *workspace.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if not os.access(place, os.W_OK):
        return Finding("workspace", "missing", f"{workspace} cannot be written", "Give another one with --workspace.")
    if free < ROOM_BYTES:
        return Finding("workspace", "note", f"{workspace}, {size_text(free)} free", "Make room: sr workspace prune --max 5GB")
    return Finding("workspace", "ok", f"{workspace}, {size_text(free)} free")


def _prefect() -> Finding:
    from flows.deploy import healthy
    from flows.environment import LOCAL_API

    address = os.environ.get("PREFECT_API_URL") or LOCAL_API
    if healthy(address):
        return Finding("Prefect server", "ok", address)
    return Finding("Prefect server", "note", "none runs; sr demo and sr run bring their own", "To serve the flows: sr serve")


def _telemetry() -> Finding:
    from flows.environment import QUIET

    on = [name for name, value in QUIET.items() if os.environ.get(name, value) != value]
    if on:
        return Finding("telemetry", "note", f"you have set {', '.join(on)} yourself", "Unset them to have all telemetry off.")
    return Finding("telemetry", "ok", "off (Prefect, MLflow)")


def write_profile(api: str) -> str:
    """Write the server address and the plug-in switch into the user's active Prefect profile; give a sentence.

    Raises
    ------
    WorkspaceError
        If Prefect cannot write it.
    """
    command = [sys.executable, "-m", "prefect", "config", "set", f"PREFECT_API_URL={api}", "PREFECT_PLUGINS_ENABLED=true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise WorkspaceError(
            "Prefect did not write its profile", "a profile that can be written", (done.stderr or done.stdout).strip()[-300:]
        )
    return f"Written into the active Prefect profile: {api}, short deployment names on."
