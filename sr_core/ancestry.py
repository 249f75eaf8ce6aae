"""Which groups a model has learned from, its ancestors included: none of them may calibrate or test it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from sr_core.errors import StoreError, TrustError
from sr_core.records import Group, Record, Region

STORE = "store.json"  # of a patch store: counts, and the groups in it
DIGITS = 16  # of a group's hash: 64 bits, so that no two of a million groups are taken for one another


class TrainedOn(Record):
    """Groups that trained a model, or chose among its weights.

    Attributes
    ----------
    groups : hashes of the groups, sorted. A group's id is a pseudonym already; its hash has the same form for every domain.
    complete : whether these are all. False where a parent or a store did not say what it learned from.
    """

    groups: tuple[str, ...] = ()
    complete: bool = True


def group_hash(group: Group) -> str:
    """Give the hash by which a group is known, 16 hexadecimal digits."""
    return group.digest()[:DIGITS]


def groups_in(regions: Iterable[Region]) -> tuple[str, ...]:
    """Give the hashes of the groups of regions, sorted, each once."""
    return tuple(sorted({group_hash(region.group) for region in regions}))


def of_store(folder: Path) -> TrainedOn | None:
    """Read which groups are in a patch store; None where it does not say.

    Raises
    ------
    StoreError
        If the record is damaged.
    """
    path = folder / STORE
    try:
        found = json.loads(path.read_text(encoding="utf-8")).get("groups") if path.is_file() else None
    except (ValueError, AttributeError) as error:
        raise StoreError(f"{path} is damaged", "a record of counts and groups", "Delete the store and prepare it again.") from error
    return None if found is None else TrainedOn(groups=tuple(found))


def together(parts: Iterable[TrainedOn | None]) -> TrainedOn | None:
    """Put together what stores and parents say; None where none of them says anything."""
    given = list(parts)
    known = [part for part in given if part is not None]
    if not known:
        return None
    groups = {group for part in known for group in part.groups}
    return TrainedOn(groups=tuple(sorted(groups)), complete=len(known) == len(given) and all(part.complete for part in known))


def check_apart(trained_on: TrainedOn | None, regions: Sequence[Region], part: str) -> None:
    """Refuse regions of groups that a model or one of its ancestors has learned from, unless they are blocks of one scene.

    Parameters
    ----------
    trained_on : None where nothing is known; then nothing is refused.
    part : "calibration", "test".

    Raises
    ------
    TrustError
        With the first such region.
    """
    seen = frozenset() if trained_on is None else frozenset(trained_on.groups)
    for region in regions:
        if not region.one_group and group_hash(region.group) in seen:
            raise TrustError(
                f"{part} region {region.name} of {region.group.kind} {region.group.id}, from which the model or a parent of it has learned",
                "a group that trained none of them", "Split so that it trains again, or begin without this parent.",
            )  # fmt: skip
