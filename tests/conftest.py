"""What all tests share."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

# One thread a process: several test processes share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Where tests run in the background of a shell, Ctrl-C is ignored, and what they start inherits that; some of them send it.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real imagery, where it is present: `$SR_DATA`, or `shared/data` beside the checkout."""
    candidates = [Path(os.environ["SR_DATA"])] if "SR_DATA" in os.environ else [REPOSITORY.parent / "shared" / "data"]
    for folder in candidates:
        if (folder / "PROVENANCE.md").is_file():
            return folder.resolve()
    pytest.skip(f"real imagery is not at {candidates[0]}; set SR_DATA to its folder")
