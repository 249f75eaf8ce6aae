"""Upscaled images as results of the workspace: an image and a bundle that met before are not run again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flows.naming import stem_and_suffix
from sr_core.domain import Domain
from sr_core.log import Log
from sr_core.records import Digest, Source, UpscaleRef
from sr_core.workspace import Workspace, folder_sha256

VERSION = 4


@dataclass(frozen=True)
class Delivered:
    """Files of one upscaled image, its verdict's sentence, its group, and how far its statistics lie from the calibrated ones."""

    files: tuple[Path, ...]
    verdict: str
    group: str
    deviations: tuple[float, ...] | None


def output_name(source: Source, scale: int, domain: str = "satellite") -> str:
    """Give the file name (for a series: folder name) of an upscaled image: `scene.tif` at x2 becomes `scene_x2.tif`."""
    stem, suffix = stem_and_suffix(source, domain)
    return f"{stem}_x{scale}{suffix}"


def deliver(domain: Domain, source: Source, bundle: Path, bundle_hash: Digest, *, workspace: Workspace, log: Log) -> Delivered:
    """Upscale one image into the workspace, or give what is there."""
    inputs = {"source": source.sha256, "name": source.path.name, "bundle": bundle_hash}

    def build(folder: Path) -> UpscaleRef:
        from sr_core.stages.restore import Restorer
        from sr_core.stages.upscale import upscale
        from sr_core.trust.domain_check import deviations_in

        restorer = Restorer(bundle)
        target = folder / output_name(source, restorer.scale, domain.name)
        made = upscale(domain, source, restorer, target, log=log, overwrite=True)  # a killed run may have published, and not said so
        files = tuple(file.path.relative_to(folder) for file in made.files)
        return UpscaleRef(
            path=folder, hash=folder_sha256(folder), made_from=(source.sha256, bundle_hash), files=files, status=made.verdict.sentence,
            deviations=deviations_in(made.verdict),
        )  # fmt: skip

    ref = workspace.once("upscale", VERSION, inputs, UpscaleRef, build, log, resumable=True)
    return Delivered(tuple(ref.path / file for file in ref.files), ref.status, source.group.id, ref.deviations)
