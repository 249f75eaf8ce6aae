"""What a flow run is asked for and what it gives back: plain records, shown by the command line and by Prefect's page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from sr_core.evaluation import Evaluation
from sr_core.records import Record

Setting = str | int | float | bool


class Request(Record):
    """What a flow run is asked for.

    `paths` None: the domain's demonstration images. `parent` is the model that training goes on from, a bundle folder or a registered name;
    `general` are files and folders with general pictures, which are mixed in.
    """

    paths: tuple[str, ...] | None = None
    workspace: str | None = None
    scale: int | None = None
    steps: int | None = None
    approved_by: str | None = None
    overrides: dict[str, Setting] = Field(default_factory=dict)
    upscale: bool = True
    parent: str | None = None
    general: tuple[str, ...] = ()

    def settings(self) -> Mapping[str, Setting]:
        """Give the recipe overrides; `scale` and `steps` are short for two of them."""
        short = {"scale": self.scale, "training.steps": self.steps}
        return {**self.overrides, **{name: value for name, value in short.items() if value is not None}}


class Row(Record):
    """One method of the result table: means over the test regions; `octave_energy` None where it was measured on none."""

    method: str
    psnr_db: float
    ssim: float
    octave_energy: float | None = None


class FlowResult(Record):
    """What a flow run made.

    `version` and `alias` are None where the gate refused the model. `reused` names the stages whose result was there
    already. `decision` is the gate's sentence, `drift` what is said of all upscaled images together ("": nothing to say).
    """

    domain: str
    model: str
    version: int | None
    alias: str | None
    promoted: bool
    decision: str
    reasons: tuple[str, ...]
    report: Path
    table: tuple[Row, ...]
    protocol: str
    claim: str
    reused: tuple[str, ...]
    nothing_new: bool
    outputs: tuple[Path, ...]
    verdicts: tuple[str, ...]
    drift: str = ""
    notes: tuple[str, ...]
    run_id: str | None


def rows(evaluation: Evaluation) -> tuple[Row, ...]:
    """Give the table of an evaluation."""
    return tuple(
        Row(
            method=name,
            psnr_db=evaluation.mean_psnr_db(name),
            ssim=evaluation.mean_ssim(name),
            octave_energy=evaluation.mean_octave_energy(name),
        )
        for name in evaluation.methods()
    )


def protocol_sentence(evaluation: Evaluation) -> str:
    """Say how the table was measured."""
    count = len(evaluation.regions)
    where = f"{count} test block{'s' if count != 1 else ''} of one {evaluation.group_kind}" if evaluation.one_group else (
        f"{count} test region{'s' if count != 1 else ''} of {len({r.region.group for r in evaluation.regions})} {evaluation.group_kind}(s)"
    )  # fmt: skip
    return f"x{evaluation.scale}, {where}; {evaluation.operator}; {evaluation.protocol.describe()}"
