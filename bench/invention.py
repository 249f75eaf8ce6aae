"""What the shipped models invent and leave out, on test regions of their own: planted objects, error split, real texture. Needs SR_DATA.

At most three test regions a model, each cut to at most 256 x 256 LR px around its middle; CPU, one thread.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from reference import REFERENCES, ROOT, recipe_of, standardised

from flows.domains import load_domain
from sr_core.log import Silent
from sr_core.raster import Raster
from sr_core.stages.evidence import evidence_of, plain_bicubic
from sr_core.stages.hallucination import OCTAVES, SELF_TEST, HallucinationMeter
from sr_core.stages.ingest import ingest, load_manifest
from sr_core.stages.invention import invention_of
from sr_core.stages.reference import texture_of
from sr_core.stages.regions import degrade, read_pair
from sr_core.stages.restore import Restorer
from sr_core.trust.hallucination import spread_evenly
from sr_core.trust.reference import Reference
from sr_core.workspace import Workspace

MODELS = ("satellite-x2", "face-x4")
REGIONS, SIDE = 3, 256


def main() -> int:
    """Print one JSON line; one a region on standard error."""
    data = Path(os.environ.get("SR_DATA", ROOT.parent / "shared" / "data"))
    if not data.is_dir():
        print(f"no {data}; set SR_DATA to the folder that holds satellite and face", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    values: dict[str, float] = {}
    for name in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            values |= measured(name, data, Workspace(Path(folder)))
    print(json.dumps(values))
    return 0


def measured(name: str, data: Path, workspace: Workspace) -> dict[str, float]:
    """Give a shipped model's planted objects, the unseen share of its error, and how it stands against bicubic and real texture."""
    reference = REFERENCES[name]
    domain, log = load_domain(reference.domain), Silent()
    files = [data / path for path in reference.paths]
    if reference.standard:
        files = standardised(files, workspace.root / "standard", log)
    manifest = load_manifest(ingest(domain, files, recipe=recipe_of(domain, reference), workspace=workspace, log=log))
    restorer = Restorer(domain.shipped()[reference.scale])
    known = Reference(images=0, groups=0, octaves=texture_of(domain, manifest, restorer, log))
    assert restorer.calibration is not None
    restorer = restorer.calibrated_by(restorer.calibration.model_copy(update={"reference": known}))
    rows = []
    for region in spread_evenly(list(manifest.split.test), REGIONS):
        whole = read_pair(domain, manifest, region, restorer.operator)
        pair = degrade(_middle(whole.hr, SIDE * restorer.scale), whole.encoding, restorer.operator)
        restored = restorer.restore(pair.lr.pixels, pair.lr.mask)
        sr, bicubic = (pair.encoding.decode(pair.encoding.encode(z)) for z in (restored.sr, plain_bicubic(pair.lr, restorer.scale)))
        found = invention_of(restorer, pair, sr, bicubic, restored.half_width, plant=True)
        meter = HallucinationMeter(restorer, (sr.shape[1], sr.shape[2]))
        meter.take(evidence_of(restorer, pair.lr, sr, None, pair.encoding.step, spread=restored.spread))
        checks = {check.name: check.value for check in meter.results()}
        if found.planted is None or found.split.null_rms is None or found.split.measured_rms is None:
            print(f"{name}, {region.name}: {found.planted_absent or found.split.absent}", file=sys.stderr)
            continue
        measured_rms, null_rms = (float(np.sqrt(np.mean(np.square(v)))) for v in (found.split.measured_rms, found.split.null_rms))
        sizes = found.planted.sizes
        row = {
            "unseen_share": null_rms**2 / (measured_rms**2 + null_rms**2),
            "erased": found.erased,
            "side_effect": max(size.side_effect or 0.0 for size in sizes),
            "recovery_over_bicubic": sizes[0].recovery - sizes[0].bicubic if sizes[0].recovery and sizes[0].bicubic else float("nan"),
            "improvement": found.shares.improvement,
            "omission": found.shares.omission,
            "synthesis": found.shares.synthesis,
            "times": found.times,
            "octave_excess": checks.get(OCTAVES),
            "self_test_db": checks.get(SELF_TEST),
        }
        print(json.dumps({"model": name, "region": region.name, **checks, **row}), file=sys.stderr, flush=True)
        print([(size.fwhm, size.recovery, size.bicubic) for size in sizes], found.hidden, file=sys.stderr, flush=True)
        rows.append(row)
    columns = {key: [row[key] for row in rows if row[key] is not None] for key in rows[0]}
    worst = {"unseen_share": min, "recovery_over_bicubic": min, "self_test_db": min}
    return {f"{name}_{key}": float(worst.get(key, max)(column)) for key, column in columns.items() if column} | {
        f"{name}_regions": len(rows)
    }


def _middle(image: Raster, side: int) -> Raster:
    """Cut a square of at most `side` px out of the middle."""
    rows, cols = (slice((n - min(n, side)) // 2, (n - min(n, side)) // 2 + min(n, side)) for n in image.mask.shape)
    return Raster(image.pixels[:, rows, cols], image.mask[rows, cols], image.bands, image.unit, image.valid_range)


if __name__ == "__main__":
    sys.exit(main())
