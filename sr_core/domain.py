"""What a domain must provide. Any object of this shape is a domain; nothing is subclassed or registered here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sr_core.recipe import Recipe
from sr_core.records import Fact, Refusal, Source, Split

if TYPE_CHECKING:
    from sr_core.log import Log
    from sr_core.operators import Operator
    from sr_core.raster import Scene, SceneWriter
    from sr_core.trust.verdict import Check

CAUTION = "SR_CAUTION"  # the output tag with what holds of every image of a model; a writer that must cut texts keeps it


@dataclass(frozen=True)
class Sensitivity:
    """How careful a domain must be.

    Attributes
    ----------
    minimum_level : weakest claim level that may be registered ("none", "empirical", "certified").
    minimum_test_groups : independent test groups without which nothing is promoted.
    needs_approval : whether a person must approve a promotion.
    approver : who that person is, in words ("a medical physicist").
    notice : the sentence that every output carries, or "".
    """

    minimum_level: str = "empirical"
    minimum_test_groups: int = 1
    needs_approval: bool = False
    approver: str = ""
    notice: str = ""


@dataclass(frozen=True)
class OutputPlan:
    """How an upscaled image is to be written.

    `target` is the final file (or folder, for a series). `overwrite` allows replacing an existing one. `tags` are short
    name-value texts about model, operator and calibration that the writer puts where its format has room. `claim` is that of the model;
    the files carry the verdict's, which may be weaker for the image at hand. `key` is a hash of
    all that the result depends on: rows that a stopped run of the same key has finished are not made again ("": nothing is kept).
    """

    target: Path
    scale: int
    model: str
    operator: str
    claim: str
    tags: Mapping[str, str]
    interval: bool = True
    residual: bool = False
    overwrite: bool = False
    key: str = ""


@dataclass(frozen=True)
class Footprint:
    """What reading an image and storing its upscaled version takes, apart from the windows that are in work.

    Attributes
    ----------
    memory : bytes that reader and writer hold at most while windows are written.
    finishing : bytes that they hold at most at the end, when no window is in work any more (`memory` included).
    output, working : bytes on disk at most: of the finished files, and of those that are gone again at the end.
    cpu_s : CPU seconds of storing, on a middling core.
    """

    memory: int
    finishing: int
    output: int
    working: int
    cpu_s: float


@runtime_checkable
class ByBandName(Protocol):
    """A named degradation that is another one for each band, which it knows by name; the scale alone is not enough to make it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Bands that it knows."""

    def __call__(self, scale: int) -> Operator:
        """Refuse.

        Raises
        ------
        RecipeError
            Always.
        """

    def for_names(self, scale: int, bands: Sequence[str]) -> Operator:
        """Make it for images of these bands, in this order.

        Raises
        ------
        RecipeError
            If nothing is known of one of them.
        """


class Domain(Protocol):
    """One kind of imagery: how it is found, read, written, split, degraded and checked."""

    name: str  # "satellite"; flow, deployment and registry names follow: "sr-satellite"
    group_kind: str  # "place", "patient", "person", "picture"
    sensitivity: Sensitivity

    def for_upscaling(self) -> Domain:
        """Give the domain as it reads images that are only upscaled: what may not be learned from is taken, too."""

    def recognises(self, path: Path) -> bool:
        """Say whether a file shows by itself that it is of this domain (a picture does not say what it shows); never raises."""

    def shipped(self) -> Mapping[int, Path]:
        """Give the bundles that come with the package: scale to folder; what may be handed out for nobody's data is left out."""

    def discover(self, paths: Sequence[Path], log: Log) -> tuple[list[Source], list[Refusal]]:
        """Find the images below the given files and folders; a file that cannot be used becomes a refusal.

        Raises
        ------
        InputError
            If a given path does not exist. (Everything else about a file is a refusal, so that one bad file
            never stops the others.)
        """

    def open(self, source: Source) -> Scene:
        """Open an image for windowed reading."""

    def create(self, like: Source, plan: OutputPlan) -> SceneWriter:
        """Start writing the upscaled version of an image in its own format."""

    def provenance(self, path: Path) -> Mapping[str, str]:
        """Give what an upscaled file (or folder) of this domain says of itself, as far as its format has room for it.

        Names are those of the output tags: `SR_MODEL` (the hash of the weights or its first digits), `SR_OPERATOR`, `SR_CLAIM`,
        `SR_VERDICT`, ... Empty where no upscale of ours wrote any; never raises.
        """

    def facts(self, source: Source) -> Sequence[Fact]:
        """Give what an image's files declare of how it was made, from their headers alone; what they do not declare is left out.

        Raises
        ------
        InputError
            If a file cannot be opened any more.
        """

    def footprint(self, source: Source, scale: int, interval: bool, residual: bool) -> Footprint:
        """Say what reading and storing an image takes, from its record alone; for the forecast that is given before the start."""

    def split(self, sources: Sequence[Source], scale: int, gap: int, seed: int) -> Split:
        """Decide what trains, validates, calibrates and tests; no group on two sides."""

    def operators(self) -> Mapping[str, Callable[[int], Operator]]:
        """Give the named degradations, as functions of the scale (and of the bands' names: `ByBandName`); the default comes first."""

    def recipe(self) -> Recipe:
        """Give the default recipe."""

    def checks(self) -> Sequence[Check]:
        """Give the domain's own checks of an upscaled image."""

    def demo(self, folder: Path) -> list[Path]:
        """Write the demonstration images into `folder`, from installed packages only, and give their paths."""
