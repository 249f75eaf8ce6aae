"""Images, operators, networks, trust: the library. It knows nothing of a domain's files, of Prefect, or of MLflow.

Nothing heavy is imported here; take what you need from the rooms (`sr_core.operators`, `sr_core.networks`, ...).
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sr-trust")
except PackageNotFoundError:  # run from a source tree that was not installed
    __version__ = "0.0.0"
