"""Evaluations of made-up figures, for what is decided from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from toy import ToyDomain

from sr_core.domain import Sensitivity
from sr_core.evaluation import Evaluation, Method, MethodScore, RegionScore
from sr_core.log import Silent
from sr_core.metrics.protocol import Protocol
from sr_core.raster import Window
from sr_core.records import EvaluationRef, Group, Region
from sr_core.stages.gate import Decision, gate
from sr_core.trust.claim import make_claim
from sr_core.trust.verdict import judge, limit

DIGEST = "0" * 64
Figures = Mapping[Method, float]


def evaluation(
    rows: Sequence[Figures],
    *,
    one_group: bool,
    groups: int | None = None,
    failed: bool = False,
    octaves: Sequence[Mapping[Method, float | None]] = (),
    **fields: Any,
) -> Evaluation:
    """Make an evaluation: PSNR and, where given, octave energy of each method, a region a row; `fields` replace others."""
    claim = make_claim(
        coverages=[0.9, 0.92], pixels=[100, 100], alpha=0.1, delta=0.1, gamma=0.1, group_kind="place", one_group=one_group,
        operator=DIGEST, operator_name="bicubic", calibration=DIGEST,
    )  # fmt: skip
    check = limit("residual rms", 9.0 if failed else 0.1, unit="1", threshold=1.0, source="physical", sentence="x")
    regions = tuple(
        RegionScore(
            region=Region(
                source=DIGEST, window=Window(0, 100 * i, 50, 50), one_group=one_group,
                group=Group(kind="place", id="a" if one_group else str(i % (groups or len(rows)))),
            ),
            methods=tuple(
                MethodScore(method=m, psnr_db=v, ssim=0.9, octave_energy=octaves[i].get(m) if octaves else None) for m, v in row.items()
            ),
            coverage=0.9, mean_width=1.0, largest_errors_held=0.2, lr_psnr_db=60, bicubic_lr_psnr_db=40, residual_rms=0.1,
            residual_max=0.5, verdict=judge(claim, [check]),
        )
        for i, row in enumerate(rows)
    )  # fmt: skip
    made = Evaluation(
        domain="toy", unit="1", scale=2, operator="bicubic", group_kind="place", one_group=one_group,
        protocol=Protocol(data_range=1.0, border=2), bundle=DIGEST, champion=None, claim=claim, notes=(), regions=regions,
    )  # fmt: skip
    return made.model_copy(update=fields)


def row(bicubic: float, linear: float, model: float, champion: float | None = None) -> dict[Method, float]:
    """Give a region's PSNR by method."""
    scores: dict[Method, float] = {"bicubic": bicubic, "projected bicubic": bicubic + 0.3, "linear filter": linear, "model": model}
    return scores if champion is None else scores | {"champion": champion}


def decide(folder: Path, content: Evaluation, sensitivity: Sensitivity | None = None, **more: str | None) -> Decision:
    """Ask the gate; `more` are its arguments."""
    (folder / "evaluation.json").write_text(content.to_json())
    ref = EvaluationRef(path=folder, hash=DIGEST)
    settings: dict[str, Any] = {"family": "edsr", "approved_by": None, "champion_level": None} | more
    return gate(ToyDomain(sensitivity=sensitivity or Sensitivity()), ref, log=Silent(), **settings)
