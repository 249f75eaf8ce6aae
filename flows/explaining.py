"""The chain behind an upscaled file: what it says of itself, the verdict beside it, and the model that made it."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from flows.origin import Model, describe, find_model, is_bundle, shelf
from sr_core.delivery import companion
from sr_core.errors import InputError, SRError, StoreError
from sr_core.records import Record
from sr_core.trust.beside import read_verdict
from sr_core.trust.verdict import Claim, Verdict
from sr_core.workspace import file_sha256

_COMPANION = re.compile(r"(?P<stem>.+)\.(interval|residual)\.[a-z]+")
_DIGITS = re.compile(r"[0-9a-f]{8,64}")


class Chain(Record):
    """All that is known of where an upscaled file, or a model, comes from.

    Attributes
    ----------
    path : the file or folder; None for a registered model.
    verdict : as it stands beside the file, or None.
    unchanged : whether the content of the file is the one that the verdict states (by sha256); None where there is nothing to compare.
    says : what the file says of itself, by the names of the output tags (`sr_core.domain.Domain.provenance`).
    weights : hash of the weights of the model, or its first digits; "" where nothing tells it.
    model : the model, where it was found.
    notes : what could not be found out, one sentence each.
    """

    path: Path | None
    verdict: Verdict | None = None
    unchanged: bool | None = None
    says: dict[str, str] = Field(default_factory=dict)
    weights: str = ""
    model: Model | None = None
    notes: tuple[str, ...] = ()

    @property
    def claim(self) -> Claim | None:
        """What is claimed: of this image by its verdict, or of images like the calibrated ones by the model."""
        if self.verdict is not None:
            return self.verdict.claim
        return self.model.calibrated.claim if self.path is None and self.model and self.model.calibrated else None


def explain(what: str, workspace: Path) -> Chain:
    """Find the chain behind an upscaled file, a folder of one, a verdict, a bundle folder or a registered model.

    Raises
    ------
    InputError
        If the file was not made by an upscale, or that cannot be seen any more.
    BundleError
        If the bundle folder is damaged.
    RegistryError
        If there is neither a file nor a registered model of that name.
    """
    from flows.lookup import PREFIX

    path = Path(what).expanduser()
    if is_bundle(path):
        return _model_chain(path, what, workspace)
    if path.exists():
        return _file_chain(path, workspace)
    if what.startswith(PREFIX):
        from flows.lookup import registered_folder

        return _model_chain(registered_folder(what, workspace), what, workspace)
    raise InputError(f"{what} does not exist", "an upscaled file, a bundle folder, or a model such as sr-satellite@champion", "Check it.")


def _model_chain(folder: Path, name: str, workspace: Path) -> Chain:
    there = shelf(workspace)
    model = describe(folder, (name,), there)
    found, notes = find_model(model.card.weights, model.calibrated.calibration if model.calibrated else "", there)
    others = tuple(other for other in (found.names if found else ()) if other != name)
    return Chain(path=None, weights=model.card.weights, model=model.model_copy(update={"names": (name, *others)}), notes=notes)


def _file_chain(path: Path, workspace: Path) -> Chain:
    if not (path.is_file() or path.is_dir()):
        raise _not_ours(path, "it is neither a file nor a folder")
    says, notes = _provenance(path), []
    try:
        verdict, unchanged = _verdict(path, bool(says))
    except StoreError as error:
        if not says:
            raise _not_ours(path, f"what stands for a verdict is none that can be used: {error.given}") from error
        verdict, unchanged = None, None
        notes.append(f"The verdict beside it cannot be used: {error.given}.")
    if verdict is None and not says:
        raise _not_ours(path, "it carries none of our texts, and no verdict of its own stands beside it")
    if verdict is None and not notes:
        place = companion(path, "verdict", ".json")
        notes.append(f"There is no verdict beside it ({place.name}): its checks, and all reasons but the first, are not known.")
    tag = says.get("SR_MODEL", "")
    weights = (verdict.weights if verdict else "") or (tag if _DIGITS.fullmatch(tag) else "")
    calibration = (verdict.calibration if verdict else None) or says.get("SR_CALIBRATION", "").removeprefix("none")
    model, missing = find_model(weights, calibration, shelf(workspace))
    return Chain(
        path=path, verdict=verdict, unchanged=unchanged, says=says, weights=weights or (model.card.weights if model else ""), model=model,
        notes=(*notes, *missing, *_doubts(model, calibration, weights)),
    )  # fmt: skip


def _not_ours(path: Path, why: str) -> InputError:
    return InputError(
        f"no upscale of ours made {path}, as far as can be seen: {why}", "an image that sr upscale wrote",
        "BMP pictures have no room for texts, and other programs may drop those of others: keep the .verdict.json beside them.",
    )  # fmt: skip


def _doubts(model: Model | None, calibration: str, weights: str) -> Iterator[str]:
    if model is None:
        named = f"with weights {weights[:12]} " if weights else ""
        yield f"The model {named}was not found in the registry, the workspace or the package: what it was trained on is not known here."
    elif calibration and (model.calibrated is None or model.calibrated.calibration != calibration):
        yield "The bundle that was found has the same weights, but not the calibration that the file names: its calibration is another."


def _provenance(path: Path) -> dict[str, str]:
    from flows.domains import domain_names, load_domain

    found = (dict(load_domain(name).provenance(path)) for name in domain_names())
    return next((says for says in found if says), {})


def _verdict(path: Path, ours: bool) -> tuple[Verdict | None, bool | None]:
    """Give the verdict of a file, and whether the file still is what the verdict was made for.

    One of the file's own name is taken, unless it plainly is another file's. One of a whole folder is for the files of that folder that
    it states, or that say themselves that they are ours.
    """
    if path.is_file() and path.suffix == ".json":
        return read_verdict(path), None
    own = [companion(path, "verdict", ".json")]
    if matched := _COMPANION.fullmatch(path.name):
        own.append(path.with_name(f"{matched['stem']}.verdict.json"))
    if place := next((place for place in own if place.is_file()), None):
        verdict = read_verdict(place)
        held = _holds(verdict, path)
        return (None, None) if held is False and not ours and _is_of_another(verdict, path, place) else (verdict, held)
    shared = path.parent / "verdict.json"
    if path.is_file() and shared.is_file():
        try:
            verdict = read_verdict(shared)
        except SRError:  # of whatever else lies in that folder
            return None, None
        held = _holds(verdict, path)
        return (verdict, held) if held or ours else (None, None)
    return None, None


def _holds(verdict: Verdict, path: Path) -> bool | None:
    """Compare content; of a folder, all files that the verdict states must be there. None where it states none."""
    if not verdict.outputs:
        return None
    if path.is_dir():
        return set(verdict.outputs) <= {file_sha256(file) for file in path.iterdir() if file.is_file()}
    return file_sha256(path) in verdict.outputs


def _is_of_another(verdict: Verdict, path: Path, place: Path) -> bool:
    """Say whether a verdict is for another file of the same name but for its ending, or the file is the input."""
    if path.is_dir():
        return False
    stem = place.name.removesuffix(".verdict.json")
    beside = (file for file in place.parent.glob(f"{glob.escape(stem)}.*") if file.is_file() and file != path)
    return file_sha256(path) in verdict.inputs or any(file_sha256(file) == verdict.outputs[0] for file in beside)
