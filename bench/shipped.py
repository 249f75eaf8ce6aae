"""The models that come with the package, measured again on the groups that they were tested on. Needs SR_DATA."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import torch
from reference import REFERENCES, ROOT, recipe_of, standardised

from flows.domains import load_domain
from sr_core.bundle import read_card
from sr_core.log import Silent
from sr_core.records import CalibrationRef
from sr_core.stages.evaluate import evaluate, load_evaluation
from sr_core.stages.ingest import ingest
from sr_core.workspace import Workspace, folder_sha256


def main() -> int:
    """Print one JSON line."""
    data = Path(os.environ.get("SR_DATA", ROOT.parent / "shared" / "data"))
    if not data.is_dir():
        print(f"no {data}; set SR_DATA to the folder that holds satellite and face", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    values: dict[str, float] = {}
    for name, reference in REFERENCES.items():
        if reference.credits:
            with tempfile.TemporaryDirectory() as folder:
                values |= measured(name, data, Workspace(Path(folder)))
    print(json.dumps(values))
    return 0


def measured(name: str, data: Path, workspace: Workspace) -> dict[str, float]:
    """Give a shipped model's mean PSNR, its gains over bicubic and the fitted filter, and the coverage of its interval."""
    reference = REFERENCES[name]
    domain, log = load_domain(reference.domain), Silent()
    files = [data / path for path in reference.paths]
    if reference.standard:
        files = standardised(files, workspace.root / "standard", log)
    recipe = recipe_of(domain, reference)
    manifest = ingest(domain, files, recipe=recipe, workspace=workspace, log=log)
    folder = domain.shipped()[reference.scale]
    shipped = CalibrationRef(path=folder, hash=folder_sha256(folder), level="empirical", weights=read_card(folder).weights)
    result = load_evaluation(evaluate(domain, manifest, shipped, champion=None, recipe=recipe, workspace=workspace, log=log))
    model, held = result.mean_psnr_db("model"), [region.coverage or 0.0 for region in result.regions]
    return {
        f"{name}_db": model,
        f"{name}_over_bicubic_db": model - result.mean_psnr_db("bicubic"),
        f"{name}_over_linear_db": model - result.mean_psnr_db("linear filter"),
        f"{name}_coverage": sum(held) / len(held),
        f"{name}_groups": len({region.region.group for region in result.regions}),
    }


if __name__ == "__main__":
    sys.exit(main())
