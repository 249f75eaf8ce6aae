"""Trained on, tested on: a domain's own training, photographs, and both one after the other, on held-back groups, x2. CPU time, one thread.

"adapted" goes on from the model of the photographs, for half of its steps, with half of every batch still photographs.

EDSR 8x32 over the fitted linear filter, the same budget for every training; each network's filter is fitted on its own training data.
Each domain is tested under bicubic and under its own degradation, and what trains is degraded in the same way.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from held_back import Case, adopted, case_of, gains, manifest_of, prepared, there, trained

from sr_core.records import ManifestRef
from sr_core.stages.restore import Restorer
from sr_core.workspace import Workspace

TESTED = {"satellite": ("bicubic", "mtf"), "face": ("bicubic", "gaussian"), "ct": ("bicubic", "gaussian"), "mr": ("bicubic", "gaussian")}
WAYS = ("own", "general", "adapted")
STEPS = 540  # of 80 CPU seconds


@dataclass
class Trainings:
    """Trains what is asked for, each once.

    Parameters
    ----------
    folder : for workspace and manifests.
    settings : of every recipe.
    """

    folder: Path
    settings: Mapping[str, object]
    made: dict[tuple[str, str, int], tuple[Restorer, float]] = field(default_factory=dict)

    def data(self, name: str) -> tuple[Case, ManifestRef]:
        """Give the files of a domain, or "general", and their manifest."""
        case = case_of(name)
        return case, manifest_of(case, 2, self.folder / f"manifest-{name}")

    def on(self, name: str, operator: str, seed: int) -> tuple[Restorer, float]:
        """Give the model trained on a domain's files, or on photographs, and its CPU seconds."""
        key = name, operator, seed
        if key not in self.made:
            settings = {**self.settings, "operator": operator, "seed": seed}
            self.made[key] = trained(*self.data(name), settings, Workspace(self.folder / "workspace"))
        return self.made[key]

    def adapted(self, name: str, operator: str, seed: int) -> tuple[Restorer, float]:
        """Give the model of the photographs, trained on on a domain's files; its CPU seconds are those of both trainings."""
        place = Workspace(self.folder / "workspace")
        parent, before = self.on("general", operator, seed)
        settings = {**self.settings, "operator": operator, "seed": seed}
        general = prepared(*self.data("general"), settings, place)
        half = {**settings, "training.steps": int(str(settings["training.steps"])) // 2}
        made, after = trained(*self.data(name), half, place, parent=parent.bundle.folder, general=general)
        return made, before + after

    def run(self, way: str, tested: str, operator: str, seed: int) -> dict[str, float]:
        """Give the gains over bicubic of one way to train, on a domain's held-back groups."""
        own, seconds = self.on(tested, operator, seed)
        model = own
        if way == "adapted":
            model, seconds = self.adapted(tested, operator, seed)
        if way == "general":
            general, seconds = self.on(way, operator, seed)
            model = adopted(general, own, self.folder / f"{way}-{tested}-{operator}-{seed}")
        return gains(*self.data(tested), model) | {"training_cpu_s": seconds}


def table(rows: list[dict[str, object]]) -> dict[str, float]:
    """Give the mean gain over bicubic, its spread over seeds, and what each way gains over "general"."""
    values: dict[str, float] = {}
    for tested, way in itertools.product(TESTED, WAYS):
        for operator in TESTED[tested]:
            found = {row["seed"]: row for row in rows if (row["way"], row["tested"], row["operator"]) == (way, tested, operator)}
            if not found:
                continue
            gained = [float(str(row["network"])) for row in found.values()]
            name = f"{tested}_{operator}_{way}"
            values |= {name: float(np.mean(gained)), f"{name}_spread": float(np.ptp(gained)), f"{name}_seeds": len(gained)}
    for way in ("own", "adapted"):
        for name in [key for key in values if key.endswith(f"_{way}")]:
            if (other := f"{name.removesuffix(way)}general") in values:
                values[f"{name}_over_general"] = values[name] - values[other]
    return values


def main() -> int:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--tested", nargs="+", choices=list(TESTED), default=list(TESTED))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another setting of every recipe")
    parser.add_argument("--results", type=Path, help="file of JSON lines: what stands there is not measured again, what is new is added")
    given = parser.parse_args()
    if not there():
        return 2
    torch.set_num_threads(1)
    settings: dict[str, object] = {"training.steps": given.steps} | dict(setting.split("=", 1) for setting in given.set)
    rows = []
    if given.results and given.results.exists():
        rows = [row for row in map(json.loads, given.results.read_text().splitlines()) if row["settings"] == settings]
    with tempfile.TemporaryDirectory() as name:
        trainings = Trainings(Path(name), settings)
        for seed, tested, index, way in itertools.product(given.seeds, given.tested, (0, 1), WAYS):
            which = {"way": way, "tested": tested, "operator": TESTED[tested][index], "seed": seed}
            if any(which.items() <= row.items() for row in rows):
                continue
            rows.append({**which, **trainings.run(**which), "settings": settings})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
            if given.results:
                with given.results.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    print(json.dumps({"seeds": given.seeds, **settings, **table(rows)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
