"""The reader of a training is the device's, or the streaming one where the images are too large; it says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sr_core.patches import DeviceReader, MemoryReader, PatchStore, StreamReader, choice
from sr_core.patches.choice import SHARE, held_bytes, training_reader
