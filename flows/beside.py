"""What training may use beside a domain's own images: a parent model, general pictures, the same images at other scales."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from domains.photo.domain import Photo
from sr_core.domain import Domain
from sr_core.errors import BundleError, InputError
from sr_core.families import FAMILIES, SIZES
from sr_core.log import Log
from sr_core.recipe import Recipe
from sr_core.records import ManifestRef, StoreRef
from sr_core.workspace import Workspace

if TYPE_CHECKING:
    from flows.result import Request
    from sr_core.operators import Operator


@dataclass
class GeneralPictures(Photo):
    """Photographs under another domain's degradations.

    Attributes
    ----------
    kinds : that domain's degradations by name.
    """

    kinds: Mapping[str, Callable[[int], Operator]] = field(default_factory=dict)

    def operators(self) -> Mapping[str, Callable[[int], Operator]]:
        """Give the other domain's degradations."""
        return self.kinds


@dataclass(frozen=True)
class Beside:
    """What stands beside a domain's own images in a training.

    Attributes
    ----------
    parent : bundle folder of the model to go on from, or None.
    weights : hash of its weights, or "".
    general : manifest of the general pictures, or None.
    """

    parent: Path | None = None
    weights: str = ""
    general: ManifestRef | None = None

    def key(self) -> list[str]:
        """Name it, for the name of a piece of work; empty where there is nothing."""
        return [part for part in (self.weights, self.general.hash if self.general else "") if part]

    def stores(
        self, domain: Domain, manifest: ManifestRef, recipe: Recipe, workspace: Workspace, log: Log
    ) -> tuple[StoreRef | None, tuple[StoreRef, ...]]:
        """Prepare the general pairs, and the domain's own at the other scales of `training.scales`."""
        from sr_core.stages.prepare import prepare

        general = None
        if self.general is not None and recipe.adaptation.general_share > 0:
            pictures = GeneralPictures(kinds=domain.operators())
            without = recipe.model_copy(update={"noise": 0.0})  # it is in the unit of the domain's own images
            general = prepare(pictures, self.general, recipe=without, workspace=workspace, log=log)
        others = [scale for scale in recipe.training.scales if scale != recipe.scale]
        prepared = (
            prepare(domain, manifest, recipe=_at_scale(recipe, scale), workspace=workspace, log=log) for scale in others
        )  # fmt: skip
        return general, tuple(prepared)


def beside(
    domain: Domain, recipe: Recipe, parent: Path | None, general: Sequence[Path], workspace: Workspace, log: Log
) -> Beside:  # fmt: skip
    """Find what a warm start goes on from.

    Raises
    ------
    InputError
        If there are general pictures without a parent, or none of them can be used.
    BundleError
        If the parent cannot be read.
    """
    from sr_core.bundle import Bundle
    from sr_core.stages.ingest import ingest

    if parent is None:
        if general:
            raise InputError("general pictures without a parent", "a model to go on from", "Give one with --from, or leave --general out.")
        return Beside()
    weights = Bundle.load(parent).weights_hash
    if not general:
        log.say("train: no general pictures are mixed in; --general gives some")
        return Beside(parent, weights)
    pictures = GeneralPictures(kinds=domain.operators())
    return Beside(parent, weights, ingest(pictures, general, recipe=recipe, workspace=workspace, log=log))


def begin(domain: Domain, request: Request, workspace: Path) -> tuple[Recipe, Path | None]:
    """Give the recipe of a flow run, and the bundle folder of the model to go on from.

    A run on the demonstration images goes on from the shipped model of its scale, where there is one with the network asked for.

    Raises
    ------
    RecipeError
        If settings conflict.
    BundleError
        If the parent cannot be read, or is a linear filter.
    RegistryError
        If the registry has no such version.
    """
    from flows.lookup import bundle_folder

    settings = request.settings()
    if request.parent is not None:
        parent = bundle_folder(request.parent, workspace)
        return domain.recipe().with_overrides({**inherited(parent), **settings}), parent
    recipe = domain.recipe().with_overrides(settings)
    shipped = domain.shipped().get(recipe.scale) if request.paths is None else None
    if shipped is None or recipe.with_overrides(inherited(shipped)) != recipe:
        return recipe, None
    return recipe, shipped


def inherited(parent: Path) -> dict[str, str | int | float | bool]:
    """Give the settings of a recipe that must be the parent's: its network, and the grid of its patches.

    Raises
    ------
    BundleError
        If the parent cannot be read, or is a linear filter.
    """
    from sr_core.bundle import Bundle

    descriptor = Bundle.load(parent).card.descriptor
    if descriptor.family == "linear":
        raise BundleError(
            f"{parent}, a fitted linear filter",
            "a network, which has weights to go on from",
            "Train without --from: a filter is solved anew.",
        )
    sizes = {f"network.{name}": getattr(descriptor, name) for name in ("family", *SIZES, "base", "linear_taps")}
    return {name: value for name, value in sizes.items() if value is not None} | {
        "network.bands": "band-wise" if descriptor.bandwise else "joint",
        "patches.grid": "hr" if FAMILIES[descriptor.family].upscaled else "lr",
    }


def _at_scale(recipe: Recipe, scale: int) -> Recipe:
    """Give the recipe of the same images at another scale, as far as preparing them goes."""
    plan = recipe.training.model_copy(update={"scales": ()})
    return recipe.model_copy(update={"scale": scale, "training": plan})
