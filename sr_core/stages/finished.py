"""Results that are there already: made by the same run, whole, and unchanged since."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sr_core.delivery import COMPANIONS, ENDINGS, companion
from sr_core.domain import Domain
from sr_core.errors import SRError
from sr_core.raster import OutputFile
from sr_core.stages.plan import make_plan
from sr_core.stages.upscale import Upscaled
from sr_core.trust.beside import verdict_beside
from sr_core.workspace import file_sha256

if TYPE_CHECKING:
    from sr_core.records import Source
    from sr_core.stages.restore import Restorer
    from sr_core.trust.verdict import Verdict


def finished(
    domain: Domain, source: Source, restorer: Restorer, target: Path, *, interval: bool = True, residual: bool = False
) -> Upscaled | None:
    """Give what `upscale` of these arguments made before, or None where something else, or nothing, is at the target.

    The verdict beside a result has the key of the run that made it and the hashes of its files. Both must hold: a result of another
    model, setting or version of the program, or one that was changed since, is not taken for this one.

    Raises
    ------
    InputError
        If the image cannot be opened.
    """
    try:
        verdict = verdict_beside(target)
    except SRError:  # somebody else's
        return None
    if verdict is None or not verdict.key or not verdict.outputs:
        return None
    with domain.open(source) as scene:
        key = make_plan(domain, source, scene, restorer.for_scene(scene), target, interval=interval, residual=residual).key
    files = _files(target, verdict) if key == verdict.key else None
    return None if files is None else Upscaled(files, verdict)


def _files(target: Path, verdict: Verdict) -> tuple[OutputFile, ...] | None:
    """List the files of a result; None if one that the verdict names is missing or has other content."""
    beside = {path: role for role in COMPANIONS for ending in ENDINGS if (path := companion(target, role, ending)).is_file()}
    images = [path for path in target.iterdir() if path.is_file() and path not in beside] if target.is_dir() else [target]
    digests = {path: file_sha256(path) for path in (*images, *beside)}
    if not set(verdict.outputs) <= set(digests.values()) or (not target.is_dir() and digests[target] != verdict.outputs[0]):
        return None
    named = [OutputFile(role, path) for path, role in beside.items() if role == "verdict" or digests[path] in verdict.outputs]
    return (OutputFile("image", target), *named)
