"""Where a model comes from: its folder, found by the hash of its weights, and what its cards say, read without its network."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sr_core.ancestry import TrainedOn
from sr_core.errors import BundleError, RegistryError, SRError
from sr_core.records import Record
from sr_core.trust.claim import Rule
from sr_core.trust.verdict import Claim, Status

if TYPE_CHECKING:
    from flows.registry import Version
    from sr_core.trust.reference import Reference

CARD, CALIBRATION, EVALUATION, MODEL_CARD = "bundle.json", "calibration.json", "evaluation.json", "card.md"


class View(BaseModel):
    """A part of a record on disk: what is not named here is left out. The whole records need PyTorch, which takes seconds to start."""

    model_config = ConfigDict(frozen=True, extra="ignore")


V = TypeVar("V", bound=View)


class Network(View):
    """Family and size of a network; `base` is what its residual is added to."""

    family: str
    scale: int
    base: str


class Card(View):
    """What a bundle says of itself; see `sr_core.bundle.BundleCard`."""

    descriptor: Network
    unit: str
    data: str
    data_summary: str
    parents: tuple[str, ...]
    software: str
    licence: str
    credits: tuple[str, ...]
    notes: tuple[str, ...]
    perceptual: bool = False
    trained_on: TrainedOn | None = None
    weights: str


class Score(View):
    """Means of one method over the test regions of a bundle's evaluation."""

    method: str
    psnr_db: float
    ssim: float


class Measured(Record):
    """A bundle's evaluation in short: on how many regions of which groups, and the mean of every method.

    `verdicts` counts the regions by verdict, the worst last; `coverages` are shares of pixels inside the interval, a region each.
    """

    regions: int
    groups: int
    group_kind: str
    operator: str
    scores: tuple[Score, ...]
    verdicts: dict[str, int] = Field(default_factory=dict)
    coverages: tuple[float, ...] = ()


class Calibrated(Record):
    """A bundle's calibration in short; `calibration` is its digest, `coverages` are of its groups, `degradation` is what it assumes.

    `limits` says where the limits of the checks come from that were learned from clean images; "" where there are none.
    """

    calibration: str
    claim: Claim
    rule: Rule
    degradation: str
    coverages: tuple[float, ...]
    software: str
    limits: str = ""


class Model(Record):
    """A model that was found.

    `names` say where; `decision` is the gate's sentence, "" where there is none; `parents` name those of the card, in its order.
    """

    folder: Path
    names: tuple[str, ...]
    card: Card
    calibrated: Calibrated | None
    measured: Measured | None
    decision: str = ""
    parents: tuple[str, ...] = ()


class Place(Record):
    """A bundle folder and how to call it."""

    folder: Path
    name: str


class Shelf(Record):
    """All bundles within reach, without the registered ones: those of the package, then those of the workspace."""

    workspace: Path
    places: tuple[tuple[Place, str], ...] = Field(repr=False)  # with the hash of its weights

    def named(self, weights: str) -> str:
        """Give the first bundle's name by its weights, or ""."""
        return next((place.name for place, own in self.places if weights and own.startswith(weights)), "")


def shelf(workspace: Path) -> Shelf:
    """List the bundles of the package and of a workspace; damaged ones are left out."""
    known = []
    for place in (*_shipped(), *_made(workspace)):
        try:
            known.append((place, _view(place.folder / CARD, Card).weights))
        except BundleError:
            continue
    return Shelf(workspace=workspace, places=tuple(known))


def find_model(weights: str, calibration: str, there: Shelf) -> tuple[Model | None, tuple[str, ...]]:
    """Find the bundle that made a file, and give what could not be looked up, in words.

    Parameters
    ----------
    weights : hash of its weights, or the first digits; "" where only the calibration is known.
    calibration : digest of the calibration, or "". Where bundles have the same weights, one with this calibration goes first, then one
        that was evaluated.
    """
    versions, notes = _registered(weights, there.workspace) if weights else ((), ())
    candidates = [place for place, own in there.places if weights and own.startswith(weights)]
    if not weights and calibration:
        candidates = [place for place, _ in there.places if _calibration_digest(place.folder) == calibration]
    candidates = [*versions, *candidates]
    if not candidates:
        return None, notes
    best = max(candidates, key=lambda place: (_calibration_digest(place.folder) == calibration, (place.folder / EVALUATION).is_file()))
    model = describe(best.folder, tuple(dict.fromkeys(place.name for place in candidates)), there)
    return model, notes


def describe(folder: Path, names: tuple[str, ...], there: Shelf) -> Model:
    """Read the cards of a bundle.

    Raises
    ------
    BundleError
        If `bundle.json` or another of its records is damaged or missing.
    """
    card = _view(folder / CARD, Card)
    return Model(
        folder=folder, names=names, card=card, calibrated=_calibrated(folder), measured=_measured(folder), decision=_decision(folder),
        parents=tuple(there.named(parent) for parent in card.parents),
    )  # fmt: skip


def is_bundle(path: Path) -> bool:
    """Say whether a path is a bundle folder."""
    return (path / CARD).is_file()


def _shipped() -> Iterator[Place]:
    from flows.domains import domain_names, load_domain

    for name in domain_names():
        for scale, folder in load_domain(name).shipped().items():
            yield Place(folder=folder, name=f"sr-{name} x{scale} that comes with the package")


def _made(workspace: Path) -> Iterator[Place]:
    for path in sorted(workspace.glob(f"*/*/{CARD}")):
        if path.parent.suffix != ".partial":
            yield Place(folder=path.parent, name=f"a bundle of the workspace {workspace}")


def _registered(weights: str, workspace: Path) -> tuple[tuple[Place, ...], tuple[str, ...]]:
    """Give the registered versions with these weights, and what hindered looking."""
    from flows.registry import open_registry

    try:
        registry = open_registry(workspace)
    except RegistryError:
        return (), (f"There is no registry in {workspace}: whether the model is registered is not known.",)
    from mlflow.exceptions import MlflowException

    try:
        versions = registry.holding(weights)
    except MlflowException as error:
        return (), (f"The registry does not answer ({type(error).__name__}): whether the model is registered is not known.",)
    places: list[Place] = []
    notes = [] if versions else ["No version in the registry has these weights."]
    for version in versions:
        try:
            places.append(Place(folder=registry.folder(version, workspace / "registry"), name=_standing(version)))
        except RegistryError:
            notes.append(f"It is {version.says()}, whose files are gone.")
    return tuple(places), tuple(notes)


def _standing(version: Version) -> str:
    by = f", approved by {version.tags['approved_by']}" if "approved_by" in version.tags else ""
    return f"{version.says()} in the registry, gate: {version.tags.get('gate', 'not known')}{by}"


def _view(path: Path, kind: type[V]) -> V:
    remedy = "Fetch the bundle again, or train again."
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(f"no file {path.name} in {path.parent}", "a complete model folder", remedy) from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} does not read", "a record that this package wrote", remedy) from error


def _calibrated(folder: Path) -> Calibrated | None:
    from sr_core.trust.calibration import Calibration

    path = folder / CALIBRATION
    if not path.is_file():
        return None
    try:
        own = Calibration.from_json(path.read_text(encoding="utf-8"), str(path))
    except (SRError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} does not read", "a record that this package wrote", "Fetch the bundle again, or train again.") from error
    return Calibrated(
        calibration=own.digest(), claim=own.claim(), rule=own.rule, degradation=own.operator_name, software=own.software,
        coverages=tuple(group.coverage for group in own.groups), limits=_limits(own.reference),
    )  # fmt: skip


def _limits(reference: Reference | None) -> str:
    if reference is None or reference.limits is None:
        return ""
    return f"{reference.images} validation images of {reference.groups} groups: {reference.limits.describe()}"


def _calibration_digest(folder: Path) -> str:
    try:
        own = _calibrated(folder)
    except BundleError:
        return ""
    return own.calibration if own else ""


class _Group(View):
    id: str


class _Where(View):
    group: _Group


class _Verdict(View):
    status: Status


class _Region(View):
    region: _Where
    methods: tuple[Score, ...]
    verdict: _Verdict
    coverage: float | None


class _Evaluation(View):
    group_kind: str
    operator: str
    regions: tuple[_Region, ...] = Field(min_length=1)


def _measured(folder: Path) -> Measured | None:
    path = folder / EVALUATION
    if not path.is_file():
        return None
    own = _view(path, _Evaluation)
    rows: dict[str, list[Score]] = {}
    for region in own.regions:
        for score in region.methods:
            rows.setdefault(score.method, []).append(score)
    statuses = [r.verdict.status for r in own.regions]
    return Measured(
        regions=len(own.regions), groups=len({r.region.group.id for r in own.regions}), group_kind=own.group_kind, operator=own.operator,
        scores=tuple(
            Score(method=method, psnr_db=statistics.fmean(s.psnr_db for s in scores), ssim=statistics.fmean(s.ssim for s in scores))
            for method, scores in rows.items()
        ),
        verdicts={status: statuses.count(status) for status in get_args(Status) if status in statuses},
        coverages=tuple(r.coverage for r in own.regions if r.coverage is not None and not math.isnan(r.coverage)),
    )  # fmt: skip


def _decision(folder: Path) -> str:
    """Take the gate's sentence, the first paragraph under the title of the model card."""
    path = folder / MODEL_CARD
    if not path.is_file():
        return ""
    paragraphs = [part.strip() for part in path.read_text(encoding="utf-8", errors="replace").split("\n\n")]
    return next((part for part in paragraphs[1:] if part and part[0] not in "#-|"), "")
