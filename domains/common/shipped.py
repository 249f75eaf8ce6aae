"""Bundles that come with the package: `models/x<scale>/` in a domain's folder."""

from __future__ import annotations

from pathlib import Path


def shipped(domain: Path) -> dict[int, Path]:
    """Give scale and folder of each bundle in a domain's folder, smallest scale first."""
    folders = {int(path.name[1:]): path for path in (domain / "models").glob("x*") if path.is_dir() and path.name[1:].isdigit()}
    return dict(sorted(folders.items()))
