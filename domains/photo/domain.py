"""The photo domain."""

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
class Photo:
    """Picture files in, the same format out; what a split may not cut is a picture.

    Attributes
    ----------
    training : refuse copies of an image, which may be upscaled but not learned from.
    """

    training: bool = True
    name: str = "photo"
    group_kind: str = "picture"
    sensitivity: Sensitivity = SENSITIVITY

    def for_upscaling(self) -> Photo:
        """Give the domain as it reads images that are only upscaled: copies are taken, too."""
        return replace(self, training=False)

    def recognises(self, path: Path) -> bool:
        """Say no: a picture does not say what it shows."""
        return False

    def shipped(self) -> Mapping[int, Path]:
        """Give none: the photographs at hand may be learned from in experiments only."""
        return {}

    def discover(self, paths: Sequence[Path], log: Log) -> tuple[list[Source], list[Refusal]]:
        """Find pictures; see `domains.photo.read.discover`."""
        from domains.photo.read import discover

        return discover(paths, log, copies=not self.training)

    def open(self, source: Source) -> Scene:
        """Open a picture."""
        from domains.photo.read import open_picture

        return open_picture(source)

    def create(self, like: Source, plan: OutputPlan) -> SceneWriter:
        """Start an upscaled picture."""
        from domains.photo.write import create

        return create(like, plan)

    def provenance(self, path: Path) -> Mapping[str, str]:
        """Give what an upscaled picture says of itself; see `domains.common.picture_provenance`."""
        from domains.common.picture_provenance import provenance

        return provenance(path)

    def facts(self, source: Source) -> Sequence[Fact]:
        """Give what a picture declares; see `domains.common.picture_facts`."""
        from domains.common.picture_facts import facts

        return facts(source)

    def footprint(self, source: Source, scale: int, interval: bool, residual: bool) -> Footprint:
        """Say what reading and storing a picture takes; a picture has no residual file."""
        from domains.common.picture_footprint import footprint

        return footprint(source, scale, interval)

    def split(self, sources: Sequence[Source], scale: int, gap: int, seed: int) -> Split:
        """Split by picture."""
        from domains.photo.split import split

        return split(sources, scale, gap, seed)

    def operators(self) -> Mapping[str, Callable[[int], Operator]]:
        """Give the named degradations: bicubic, box."""
        from domains.photo.degrade import OPERATORS

        return dict(OPERATORS)

    def recipe(self) -> Recipe:
        """Give the default recipe: band-wise EDSR of 8 blocks of 32 features over the fitted linear filter, x2, bicubic.

        PSNR and SSIM assume the 8-bit range, as papers do.
        """
        return Recipe(domain="photo", data_range=255.0)

    def checks(self) -> Sequence[Check]:
        """Give no more than the general checks."""
        from domains.photo.checks import checks

        return checks()

    def demo(self, folder: Path) -> list[Path]:
        """Copy five pictures from the package scikit-image."""
        from domains.photo.demo import demo

        return demo(folder)


DOMAIN = Photo()
