"""Which model upscales: the one that was named, else the champion, else the one that comes with the package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sr_core.errors import InputError, RegistryError

if TYPE_CHECKING:
    from flows.upscaling import Request
    from sr_core.domain import Domain


@dataclass(frozen=True)
class Chosen:
    """A model: its bundle folder, its name for `{model}` and, where nobody named it, a sentence that says which it is."""

    folder: Path
    name: str
    sentence: str = ""


def choose(request: Request, kind: Domain) -> Chosen:
    """Choose the model of a request.

    Raises
    ------
    RegistryError
        If the registry has no such version, or, where none was named, neither a champion nor the package has one.
    InputError
        If the domain's models come with the package, but none of that scale.
    """
    if request.bundle is not None:
        return Chosen(request.bundle, request.bundle.resolve().name)
    from flows.registry import open_registry

    try:
        registry = open_registry(request.workspace)
        version = registry.named(request.model or f"{name_of(kind, request.scale)}@champion")
    except RegistryError as error:
        if request.model is not None:
            raise
        return _shipped(request.scale, kind, error)
    return Chosen(registry.folder(version, request.workspace / "registry"), f"{version.name}-{version.number}")


def name_of(kind: Domain, scale: int | None) -> str:
    """Give the registry's name of a domain's models for fidelity, of a scale or the domain's own."""
    name = f"sr-{kind.name}"
    return name if scale in (None, kind.recipe().scale) else f"{name}-x{scale}"


def _shipped(scale: int | None, kind: Domain, error: RegistryError) -> Chosen:
    """Choose among what comes with the package: of the scale asked for, else of the domain's own, else the smallest."""
    there = kind.shipped()
    if not there:
        raise error
    own = kind.recipe().scale
    wanted = scale if scale is not None else own if own in there else min(there)
    if wanted not in there:
        known = " or ".join(f"{one}" for one in there)
        raise InputError(
            f"--scale {wanted}", f"{known}, in which sr-{kind.name} comes with the package",
            f"Train one of your own: sr run {kind.name} PATHS --scale {wanted}",
        )  # fmt: skip
    name = f"sr-{kind.name}-x{wanted}"
    sentence = f"no champion is registered for x{wanted}; this is the shipped {name}, not trained on your images"
    return Chosen(there[wanted], f"{name}-shipped", sentence)
