"""The chain behind an upscaled file, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import options

if TYPE_CHECKING:
    from flows.explaining import Chain
    from flows.origin import Model
    from sr_core.ancestry import TrainedOn
    from sr_core.trust.verdict import CheckResult, Claim, Verdict

WORDS = {"pass": "passed", "warn": "warned", "fail": "failed", "skipped": "not run"}
NAME_WIDTH = 13


def explain(
    output: Annotated[
        str,
        typer.Argument(
            metavar="OUTPUT",
            show_default=False,
            help="An upscaled file, a folder with a series, a verdict; or a bundle folder, or NAME, NAME@ALIAS or NAME/NUMBER of the "
            "registry.",
        ),
    ],
    workspace: options.WorkspaceFolder = None,
    json: options.Json = False,
) -> None:
    """Say what is behind an upscaled file: why this verdict, what is claimed, which model made it, and from what that was trained.

    The verdict comes first, then its reasons with figures, limits and where each limit came from, the checks, what is claimed of the
    interval and on how many groups, and the model with its training data, credits, licence and evaluation. All of it is read from the
    file, the verdict beside it, and the bundle, which is looked for in the registry, the workspace and the package. What cannot be found
    out is said under "Not known". The content of the file is compared with what its verdict states.

    Of a model by itself the same chain is given, without a file.

    Examples
    --------
      sr explain scene_x2.tif

      sr explain ct_series_x2/

      sr explain portrait_x4.jpg --json

      sr explain sr-satellite@champion

      sr explain my_bundle/

    Exit codes: 0 explained, whatever the verdict is; 2 no upscale of ours made the file, or it is not there.
    """
    from flows import environment
    from flows.cli.output import print_json
    from flows.explaining import explain as find

    chain = find(output, environment.workspace_folder(workspace))
    if json:
        print_json(chain)
        return
    for line in lines(chain):
        typer.echo(line)


def lines(chain: Chain) -> Iterator[str]:
    """Give the chain as text, the verdict first."""
    verdict = chain.verdict
    if verdict is not None:
        yield verdict.sentence
    elif chain.path is not None:
        yield chain.says.get("SR_VERDICT", "The file carries no verdict.")
    elif chain.model is not None:
        yield chain.model.decision or "The bundle holds no decision of a gate."
    if chain.path is not None:
        yield from _section("File", _file(chain))
    if verdict is not None:
        yield from _section("Why", verdict.reasons or ("Every check passed, and the claim stands.",), "- ")
        yield from _section("Checks", (part for check in verdict.checks for part in _check(check)))
    yield from _section("Interval", _interval(chain))
    yield from _section("Model", _model(chain))
    if chain.model is not None and chain.model.measured is not None:
        yield from _section("Measured", _measured(chain.model))
    yield from _section("Not known", chain.notes, "- ")


def _section(title: str, body: Iterable[str], mark: str = "") -> Iterator[str]:
    text = [f"  {mark}{line}" for line in body]
    if text:
        yield from ("", title, *text)


def _row(name: str, text: str) -> str:
    return f"{name:{NAME_WIDTH}} {text}"


def _file(chain: Chain) -> Iterator[str]:
    verdict = chain.verdict
    yield _row("path", str(chain.path))
    if chain.unchanged is True:
        yield _row("content", "as its verdict states (sha256)")
    elif chain.unchanged is False:
        yield _row("content", "NOT what its verdict states (sha256): it was changed since, or is another file")
    else:
        yield _row("content", "not compared with a verdict")
    if verdict is not None:
        yield from (_row("made from", f"a file with sha256 {digest}") for digest in verdict.inputs)
        yield _row("made", " with ".join(part for part in (verdict.time, verdict.software) if part) or "not stated")
    if notice := chain.says.get("SR_NOTICE"):
        yield _row("notice", notice)


def _check(check: CheckResult) -> Iterator[str]:
    if check.outcome == "skipped" or check.value is None:
        yield f"{WORDS[check.outcome]:8} {check.name}: {check.sentence}"
        return
    unit = f" {check.unit}" if check.unit else ""
    beside = f" (bicubic {check.bicubic:.4g}{unit})" if check.bicubic is not None else ""
    if check.threshold is None:
        yield f"{'figure':8} {check.name} {check.value:.4g}{unit}{beside}, without a limit: {check.sentence}"
        return
    fails = "" if check.fail_threshold is None else f", fails beyond {check.fail_threshold:.4g}{unit}"
    limit = f"limit {check.direction} {check.threshold:.4g}{unit}{fails} (from: {check.threshold_source})"
    yield f"{WORDS[check.outcome]:8} {check.name} {check.value:.4g}{unit}{beside}, {limit}"
    if check.outcome != "pass":
        yield f"{'':8} {check.sentence}"


def _interval(chain: Chain) -> Iterator[str]:
    verdict, claim = chain.verdict, chain.claim
    if text := claim.text if claim else chain.says.get("SR_CLAIM", ""):
        yield _row("claim", text)
    if claim is not None:
        yield _row("calibrated on", _groups(claim))
    if chain.model is not None and (own := chain.model.calibrated) is not None:
        if own.coverages:
            lowest, highest = min(own.coverages), max(own.coverages)
            yield _row("it held", f"{lowest:.0%} to {highest:.0%} of the pixels of each of them; rule: {own.rule}")
        yield _row("assumes", own.degradation)
        if own.limits:
            yield _row("limits from", own.limits)
    if verdict is not None:
        yield from _extent(verdict)


def _groups(claim: Claim) -> str:
    if claim.calibration is None:
        return f"none ({claim.n_min} are needed for a certified claim)"
    return f"{claim.n} x {claim.group_kind} ({claim.n_min} are needed for a certified claim); level of the claim: {claim.level}"


def _extent(verdict: Verdict) -> Iterator[str]:
    if verdict.covered_share is not None:
        yield _row("given for", f"{verdict.covered_share:.0%} of the valid pixels")
    if verdict.invisible_size_px is not None:
        yield _row("vouched for", f"objects from {verdict.invisible_size_px:.3g} px of the result on; smaller ones may be made up or lost")


def _model(chain: Chain) -> Iterator[str]:
    model, says = chain.model, chain.says
    yield _row("weights", chain.weights or says.get("SR_MODEL") or "not stated")
    measured = model.measured if model else None
    operator = says.get("SR_OPERATOR") or (measured.operator if measured else "")
    if model is not None:
        card = model.card
        yield from (_row("is", name) for name in model.names)
        yield _row("folder", str(model.folder))
        yield _row("network", f"{card.descriptor.family}, x{card.descriptor.scale}, over {card.descriptor.base} base, unit {card.unit}")
        yield _row("trained on", f"{card.data_summary} (store {card.data[:12]})")
        yield _row("its groups", _learned_from(card.trained_on))
        yield _row("goes on from", "; ".join(map(_parent, card.parents, model.parents)) or "no other model")
    if operator:
        yield _row("degradation", operator)
    if model is None:
        if credits_ := says.get("SR_CREDITS"):
            yield _row("credits", credits_)
        return
    yield _row("licence", card.licence)
    yield from (_row("credit", credit) for credit in card.credits)
    yield from (_row("note", note) for note in card.notes)
    yield _row("software", card.software)
    if model.decision and chain.path is not None:
        yield _row("gate", model.decision)


def _learned_from(trained_on: TrainedOn | None) -> str:
    if trained_on is None:
        return "not recorded, so nobody can tell whether an image of yours trained it"
    rest = "" if trained_on.complete else "; a parent or other training data of it did not record theirs"
    return f"{len(trained_on.groups)} learned from, known by their hashes: none of them may calibrate or test it{rest}"


def _parent(weights: str, name: str) -> str:
    return f"{name} ({weights[:12]})" if name else f"{weights[:12]}, which was not found"


def _measured(model: Model) -> Iterator[str]:
    own = model.measured
    assert own is not None
    yield f"{own.regions} test regions of {own.groups} x {own.group_kind}, means:"
    width = max(len(score.method) for score in own.scores)
    yield from (f"{score.method:{width}}  PSNR {score.psnr_db:6.2f} dB  SSIM {score.ssim:.4f}" for score in own.scores)
    yield _row("verdicts", ", ".join(f"{count} {status}" for status, count in own.verdicts.items()))
    if own.coverages:
        yield _row("interval", f"held {min(own.coverages):.0%} to {max(own.coverages):.0%} of the pixels of each region")
