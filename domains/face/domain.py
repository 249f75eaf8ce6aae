"""The face domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sr_core.domain import Footprint, OutputPlan, Sensitivity
from sr_core.log import Log
from sr_core.recipe import Recipe
from sr_core.records import Fact, Refusal, Source, Split

if TYPE_CHECKING:
    from sr_core.operators import Operator
    from sr_core.raster import Scene, SceneWriter
    from sr_core.trust.verdict import Check

SENSITIVITY = Sensitivity(
    minimum_level="empirical", minimum_test_groups=3, needs_approval=True, approver="the collection's data protection officer",
    notice="Enhanced by a model; details are guessed; not for identification.",
)  # fmt: skip


@dataclass
class FaceDomain:
    """Pictures of people: PNG, JPEG, WebP, TIFF, BMP with 8 bits a sample.

    Attributes
    ----------
    group_key : key of the people's pseudonyms.
    training : refuse copies of a picture, which may be upscaled but not learned from.
    """

    group_key: str = field(default="sr-group", repr=False)
    training: bool = True
    name: str = "face"
    group_kind: str = "person"
    sensitivity: Sensitivity = SENSITIVITY

    def for_upscaling(self) -> FaceDomain:
        """Give the domain as it reads images that are only upscaled: copies are taken, too."""
        return replace(self, training=False)

    def recognises(self, path: Path) -> bool:
        """Say no: a picture does not say what it shows."""
        return False

    def shipped(self) -> Mapping[int, Path]:
        """Give the bundles that come with the package."""
        from domains.common.shipped import shipped

        return shipped(Path(__file__).parent)

    def discover(self, paths: Sequence[Path], log: Log) -> tuple[list[Source], list[Refusal]]:
        """Find pictures; see `domains.face.read.discover`."""
        from domains.face.read import discover

        return discover(paths, log, self.group_key, copies=not self.training)

    def open(self, source: Source) -> Scene:
        """Open a picture."""
        from domains.common.pictures import PictureScene

        return PictureScene(source)

    def create(self, like: Source, plan: OutputPlan) -> SceneWriter:
        """Start a picture in the format of the target's name, or else of the input."""
        from domains.face.write import FaceWriter

        return FaceWriter(like, plan)

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
        """Split by person."""
        from domains.face.split import split

        return split(sources, scale=scale, gap=gap, seed=seed, patch=self.recipe().patches.size * scale)

    def operators(self) -> Mapping[str, Callable[[int], Operator]]:
        """Give the named degradations."""
        from domains.face.degrade import OPERATORS

        return dict(OPERATORS)

    def recipe(self) -> Recipe:
        """Give the default recipe: band-wise EDSR 8 x 32 over the fitted linear filter, x2; PSNR over 255 grey levels."""
        return Recipe(domain="face", data_range=255.0)

    def checks(self) -> Sequence[Check]:
        """Give the checks."""
        from domains.face.checks import checks

        return checks()

    def demo(self, folder: Path) -> list[Path]:
        """Copy the astronaut from the scikit-image package."""
        from domains.face.demo import demo

        return demo(folder)


DOMAIN = FaceDomain()
