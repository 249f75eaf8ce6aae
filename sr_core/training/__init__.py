"""Training: pairs and a recipe to a network, in phases, with exact resume. Start reading in `loop`."""

from __future__ import annotations

from sr_core.training.loop import Trained, train_model
from sr_core.training.parent import Parent
from sr_core.training.phases import phases
from sr_core.training.processes import Processes, joined
from sr_core.training.streams import stream

__all__ = ["Parent", "Processes", "Trained", "joined", "phases", "stream", "train_model"]
