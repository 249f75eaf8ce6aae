"""From what a person types for a model to its folder."""

from __future__ import annotations

from pathlib import Path

from sr_core.errors import BundleError

PREFIX = "sr-"  # every registered name begins with it


def bundle_folder(model: str, workspace: Path) -> Path:
    """Give the bundle folder that is named by its path, or by `NAME`, `NAME@ALIAS` or `NAME/NUMBER` of the registry.

    Raises
    ------
    BundleError
        If it is neither a folder nor looks like a registered name.
    RegistryError
        If the registry has no such version.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if not model.startswith(PREFIX):
        raise BundleError(f"{model!r}", "a bundle folder, or a registered name such as sr-satellite@champion", "See: sr models list")
    return registered_folder(model, workspace)


def registered_folder(model: str, workspace: Path) -> Path:
    """Give the bundle folder of a registered version.

    Raises
    ------
    RegistryError
        If the registry has no such version, or its files are gone.
    """
    from flows.registry import open_registry

    registry = open_registry(workspace)
    return registry.folder(registry.named(model), workspace / "registry")
