"""Domains as installed: one entry point each, in the group `sr.domains`."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, cast

from sr_core.errors import InputError

if TYPE_CHECKING:
    from sr_core.domain import Domain

GROUP = "sr.domains"


def domain_names() -> tuple[str, ...]:
    """Give the names of the installed domains, in alphabetical order."""
    return tuple(sorted(point.name for point in _points()))


def load_domain(name: str, upscaling_only: bool = False) -> Domain:
    """Load a domain by its name.

    Parameters
    ----------
    upscaling_only : the images are not learned from; a domain that is stricter about training images
        (`for_upscaling()`) then takes more of them.

    Raises
    ------
    InputError
        If no domain of that name is installed.
    """
    for point in _points():
        if point.name == name:
            domain = cast("Domain", point.load())
            return domain.for_upscaling() if upscaling_only else domain
    known = ", ".join(domain_names()) or "none installed"
    raise InputError(f"domain {name!r}", f"one of {known}", "Choose one of them, or install the package that brings it.")


def _points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))
