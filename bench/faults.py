"""The fault bench on real upscales of every domain: which check catches which planted fault, and how often clean images are flagged.

Satellite: the demonstration scene, and, where SR_DATA is, eleven scenes (seven places of them trained the shipped model). Photographs:
BSDS with a linear filter fitted to T91. CT: a patient with a filter fitted to the other. Faces: ORL with the shipped model. Without
SR_DATA, only the demonstration scene. With --out the whole tables are written as Markdown and JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from held_back import DATA

from domains.face.domain import DOMAIN as FACE
from domains.medical.domain import MedicalDomain
from domains.photo.domain import DOMAIN as PHOTO
from domains.satellite.domain import DOMAIN as SATELLITE
from flows.console import RichLog
from flows.selftest import UNITS, bench, fitted_filter
from sr_core.domain import Domain
from sr_core.trust.bench_words import markdown, summary
from sr_core.trust.faultbench import BenchTable
from sr_core.trust.faults import FAULTS
from sr_core.workspace import write_atomic


class Case(NamedTuple):
    """Images of a domain, and the model: a bundle folder, or what gives one in a scratch folder."""

    domain: Domain
    paths: list[Path]
    model: Path | Callable[[Path, RichLog], Path]
    name: str
    what: str


def cases(folder: Path) -> dict[str, Case]:
    """Give the cases whose data is here."""
    upscaling = SATELLITE.for_upscaling()
    shipped = SATELLITE.shipped()[2]
    found = {"satellite": Case(upscaling, SATELLITE.demo(folder), shipped, "the shipped satellite-x2", "not trained on")}
    if not DATA.is_dir():
        print(f"no {DATA}: only the demonstration scene; set SR_DATA to the folder that holds satellite, sr_train, ...", file=sys.stderr)
        return found
    medical = MedicalDomain(training=False)
    first, second = (DATA / "medical" / name for name in ("ct_CMB-CRC-MSB-01068", "ct_RIDER-Pilot-0117"))
    scenes = sorted((DATA / "satellite").glob("*.tif"))
    return {
        **found,
        "scenes": Case(upscaling, scenes, shipped, "the shipped satellite-x2", "most of them trained it"),
        "photo": Case(
            PHOTO.for_upscaling(), [DATA / "sr_train" / "BSDS"],
            lambda room, log: fitted_filter(PHOTO, [DATA / "sr_train" / "T91"], room, log), "a filter fitted to T91", "BSDS",
        ),
        "ct": Case(
            medical, [second], lambda room, log: fitted_filter(medical, [first], room, log), "a filter fitted to another patient", "CT",
        ),
        "face": Case(FACE.for_upscaling(), [DATA / "face" / "orl"], FACE.shipped()[4], "the shipped face-x4", "ORL"),
    }  # fmt: skip


def figures(table: BenchTable) -> dict[str, float]:
    """Give the claimed figures of a table."""
    starred = [row for row in table.rows if row.must_be_caught]
    sizes = {fault.name: table.caught_from(fault.name) for fault in FAULTS}
    return {
        "starred_rows": len(starred),
        "starred_short": len(table.missed()),
        "least_caught": min(row.caught for row in starred),
        "clean_flagged": table.false_alarms,
        **{f"from_{name.replace(' ', '_')}": size for name, size in sizes.items() if size is not None},
    }


def main() -> int:
    """Print one JSON line; exit code 1 if a case is short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="a case; repeatable (default: all whose data is here)")
    parser.add_argument("--units", type=int, default=UNITS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for the whole tables")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a case is short")
    given = parser.parse_args()
    values: dict[str, float] = {}
    short = False
    with tempfile.TemporaryDirectory() as temporary, RichLog() as log:
        found = cases(Path(temporary) / "demo")
        for name in given.only or found:
            if name not in found:
                print(f"{name}: no such case here; {', '.join(found)}", file=sys.stderr)
                return 2
            case, began = found[name], time.process_time()
            model = case.model if isinstance(case.model, Path) else case.model(Path(temporary) / name, log)
            table = bench(case.domain, case.paths, model, case.name, units=given.units, seed=given.seed, log=log, what=case.what)
            values |= {f"{name}_{key}": value for key, value in figures(table).items()}
            values[f"{name}_cpu_s"] = round(time.process_time() - began, 1)
            short |= not table.passed
            for line in (name, *summary(table)):
                print(line, file=sys.stderr)
            if given.out is not None:
                given.out.mkdir(parents=True, exist_ok=True)
                write_atomic(given.out / f"{name}.md", markdown(table).encode())
                write_atomic(given.out / f"{name}.json", table.to_json().encode())
    print(json.dumps(values))
    return int(given.strict and short)


if __name__ == "__main__":
    sys.exit(main())
