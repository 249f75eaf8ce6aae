"""The satellite domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sr_core.domain import Footprint, OutputPlan, Sensitivity
from sr_core.recipe import Recipe
from sr_core.records import Fact, Refusal, Source, Split

if TYPE_CHECKING:
    from sr_core.log import Log
    from sr_core.operators import Operator
    from sr_core.raster import Scene, SceneWriter
    from sr_core.trust.verdict import Check


SENSITIVITY = Sensitivity(minimum_level="empirical", minimum_test_groups=1)


@dataclass
class Satellite:
    """Scenes in (see `domains.satellite.opening` and `products`), Cloud Optimized GeoTIFFs out; what a split may not cut is a place.

    Attributes
    ----------
    training : refuse copies of an image, which may be upscaled but not learned from.
    """

    training: bool = True
    name: str = "satellite"
    group_kind: str = "place"
    sensitivity: Sensitivity = SENSITIVITY

    def for_upscaling(self) -> Satellite:
        """Give the domain as it reads images that are only upscaled: copies are taken, too."""
        return replace(self, training=False)

    def recognises(self, path: Path) -> bool:
        """Say whether a path is a raster with a place on earth, or a product; see `domains.satellite.read.is_scene`."""
        from domains.satellite.read import is_scene

        return is_scene(path)

    def shipped(self) -> Mapping[int, Path]:
        """Give the bundles that come with the package."""
        from domains.common.shipped import shipped

        return shipped(Path(__file__).parent)

    def discover(self, paths: Sequence[Path], log: Log) -> tuple[list[Source], list[Refusal]]:
        """Find scenes; see `domains.satellite.read.discover`."""
        from domains.satellite.read import discover

        return discover(paths, log, copies=not self.training)

    def open(self, source: Source) -> Scene:
        """Open a scene for windowed reading, with a file handle of its own."""
        from domains.satellite.read import GeoScene

        return GeoScene(source)

    def create(self, like: Source, plan: OutputPlan) -> SceneWriter:
        """Start an upscaled scene."""
        from domains.satellite.write import CogWriter

        return CogWriter(like, plan)

    def provenance(self, path: Path) -> Mapping[str, str]:
        """Give what an upscaled scene says of itself; see `domains.satellite.provenance`."""
        from domains.satellite.provenance import provenance

        return provenance(path)

    def facts(self, source: Source) -> Sequence[Fact]:
        """Give what a scene declares; see `domains.satellite.facts`."""
        from domains.satellite.facts import facts

        return facts(source)

    def footprint(self, source: Source, scale: int, interval: bool, residual: bool) -> Footprint:
        """Say what reading and storing a scene takes."""
        from domains.satellite.footprint import footprint

        return footprint(source, scale, interval, residual)

    def split(self, sources: Sequence[Source], scale: int, gap: int, seed: int) -> Split:
        """Split by place."""
        from domains.satellite.split import split

        return split(sources, scale, gap, seed)

    def operators(self) -> Mapping[str, Callable[[int], Operator]]:
        """Give the named degradations: bicubic, mtf, mtf-sentinel-2 (bands by name), mtf-sentinel2-10m, mtf-landsat-oli, box."""
        from domains.satellite.degrade import OPERATORS

        return dict(OPERATORS)

    def recipe(self) -> Recipe:
        """Give the default recipe: band-wise EDSR of 8 blocks of 32 features over the fitted linear filter, x2, bicubic.

        The range that PSNR assumes is measured on the training pixels, since the brightest cloud of a scene says nothing of it.
        """
        return Recipe(domain="satellite", data_range=None)

    def checks(self) -> Sequence[Check]:
        """Give the checks of reflectance and spectrum."""
        from domains.satellite.checks import checks

        return checks()

    def demo(self, folder: Path) -> list[Path]:
        """Write a real Sentinel-2 cut from the package spyndex."""
        from domains.satellite.demo import demo

        return demo(folder)


DOMAIN = Satellite()
