"""What an HDF5 file (netCDF 4 is one) leads to, looked at before GDAL opens it: its data sets may lie in any other file."""

from __future__ import annotations

import math
from pathlib import Path

from domains.satellite.guard import refusing
from domains.satellite.header import MAX_BLOCK_BYTES
from sr_core.errors import InputError

MAX_OBJECTS = 10_000


def check_hdf5(path: Path) -> None:
    """Refuse a file that takes data from other files, or cannot be walked at small cost.

    Raises
    ------
    InputError
        If it cannot be opened, has external or virtual data sets, chunks that are too large, or too many objects.
    """
    import h5py

    with refusing(f"{path.name} cannot be opened", "a whole, undamaged HDF5 file"), h5py.File(path, "r") as file:
        groups, seen = [file["/"]], 0
        visited: set[int] = set()  # by address: hard links may go round in a circle
        while groups:
            group = groups.pop()
            for name in group:
                seen += 1
                if seen > MAX_OBJECTS:
                    raise InputError(f"{path.name} holds more than {MAX_OBJECTS} objects", "fewer", "Take out the images you need.")
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    raise _outside(path, name)
                if isinstance(link, h5py.SoftLink):
                    continue  # what it leads to in this file is met by its own name
                entry = group[name]
                if isinstance(entry, h5py.Group):
                    if hash(entry.id) not in visited:
                        visited.add(hash(entry.id))
                        groups.append(entry)
                elif isinstance(entry, h5py.Dataset):
                    _check_dataset(path, name, entry)


def _check_dataset(path: Path, name: str, entry: object) -> None:
    import h5py

    assert isinstance(entry, h5py.Dataset)
    if entry.external or entry.is_virtual:
        raise _outside(path, name)
    size = math.prod(entry.chunks or (1,)) * entry.dtype.itemsize
    if size > MAX_BLOCK_BYTES:
        given = f"{path.name} has chunks of {size >> 20} MiB in {name}"
        raise InputError(given, f"at most {MAX_BLOCK_BYTES >> 20} MiB", "Write it with smaller chunks: nccopy or h5repack.")


def _outside(path: Path, name: str) -> InputError:
    return InputError(f"{path.name} takes {name} from another file", "a file that holds its own data", "Copy it with h5repack.")
