"""The medical domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sr_core.domain import Footprint, OutputPlan, Sensitivity
from sr_core.log import Log
from sr_core.recipe import PatchPlan, Recipe
from sr_core.records import Fact, Refusal, Source, Split

if TYPE_CHECKING:
    from sr_core.operators import Operator
    from sr_core.raster import Scene, SceneWriter
    from sr_core.trust.verdict import Check

SOFTER = 0.8  # HR px, standard deviation of the kernel that stands for softer reconstructions
SENSITIVITY = Sensitivity(
    minimum_level="empirical", minimum_test_groups=3, needs_approval=True, approver="a medical physicist",
    notice="Not for primary diagnosis.",
)  # fmt: skip


@dataclass
class MedicalDomain:
    """CT and MR in DICOM files.

    Attributes
    ----------
    declared_deidentified : whoever made this domain vouches that all files are de-identified.
    training : refuse what may be upscaled but not learned from: files that are not de-identified, lossy ones, copies, a
        second modality.
    group_key : key of the patients' pseudonyms.
    """

    declared_deidentified: bool = False
    training: bool = True
    group_key: str = field(default="sr-group", repr=False)
    name: str = "medical"
    group_kind: str = "patient"
    sensitivity: Sensitivity = SENSITIVITY

    def for_upscaling(self) -> MedicalDomain:
        """Give the domain as it reads images that are only upscaled: identified and lossy ones and copies are taken, too."""
        return replace(self, training=False)

    def recognises(self, path: Path) -> bool:
        """Say whether a file is DICOM, by its first bytes."""
        from domains.medical.guard import is_dicom

        return is_dicom(path)

    def shipped(self) -> Mapping[int, Path]:
        """Give none: no collection at hand is certain to allow it; train on your own series."""
        return {}

    def discover(self, paths: Sequence[Path], log: Log) -> tuple[list[Source], list[Refusal]]:
        """Find slices and series; see `domains.medical.read.discover`."""
        from domains.medical.read import discover

        return discover(paths, log, training=self.training, declared=self.declared_deidentified, group_key=self.group_key)

    def open(self, source: Source) -> Scene:
        """Open a slice or a series."""
        from domains.medical.read import DicomScene

        return DicomScene(source)

    def create(self, like: Source, plan: OutputPlan) -> SceneWriter:
        """Start a derived slice (target: a file) or series (target: a folder)."""
        from domains.medical.write import DicomWriter

        return DicomWriter(like, plan)

    def provenance(self, path: Path) -> Mapping[str, str]:
        """Give what an upscaled slice, series or map says of itself; see `domains.medical.provenance`."""
        from domains.medical.provenance import provenance

        return provenance(path)

    def facts(self, source: Source) -> Sequence[Fact]:
        """Give what the files of a slice or a series declare; see `domains.medical.facts`."""
        from domains.medical.facts import facts

        return facts(source)

    def footprint(self, source: Source, scale: int, interval: bool, residual: bool) -> Footprint:
        """Say what reading and storing a slice or a series takes."""
        from domains.medical.footprint import footprint

        return footprint(source, scale, interval, residual)

    def split(self, sources: Sequence[Source], scale: int, gap: int, seed: int) -> Split:
        """Split by patient."""
        from domains.medical.split import split

        return split(sources, scale=scale, gap=gap, seed=seed, patch=self.recipe().patches.size * scale)

    def operators(self) -> Mapping[str, Callable[[int], Operator]]:
        """Give the named degradations."""
        from domains.medical.degrade import OPERATORS

        return dict(OPERATORS)

    def recipe(self) -> Recipe:
        """Give the default recipe: band-wise EDSR 8 x 32 over the fitted linear filter, x2; PSNR over the measured range.

        Every image trains once more under a softer kernel: few scanners show themselves in a training set, and a network that has seen
        sharp reconstructions only sharpens soft ones beyond the truth.
        Detail that only looks right can be taken for a finding, so a perceptual model must be allowed by name besides.
        """
        return Recipe(domain="medical", allow_perceptual=False, patches=PatchPlan(smoothed=(SOFTER,)))

    def checks(self) -> Sequence[Check]:
        """Give the checks."""
        from domains.medical.checks import checks

        return checks()

    def demo(self, folder: Path) -> list[Path]:
        """Copy three CT files from the pydicom package."""
        from domains.medical.demo import demo

        return demo(folder)


DOMAIN = MedicalDomain()
