"""The stores that a training draws from, opened and checked: the domain's own, general ones, and the same images at other scales."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sr_core.errors import StoreError
from sr_core.log import Log
from sr_core.recipe import Recipe
from sr_core.records import Digest, StoreRef

if TYPE_CHECKING:
    from sr_core.operators import Operator
    from sr_core.patches import Mixture, Part, PatchStore, Reader

AGAIN = "Prepare it with this recipe: sr prepare."


@dataclass(frozen=True)
class Pairs:
    """The domain's own pairs, general ones for a warm start, and the domain's own at the other scales of `training.scales`."""

    own: StoreRef
    general: StoreRef | None = None
    scales: tuple[StoreRef, ...] = ()

    def hashes(self) -> tuple[Digest, ...]:
        """Give the hashes of all."""
        general = () if self.general is None else (self.general,)
        return tuple(ref.hash for ref in (self.own, *general, *self.scales))

    def folders(self, mixes_general: bool) -> tuple[Path, ...]:
        """Give the stores that are learned from; the general one only where its patches are mixed in."""
        general = () if self.general is None or not mixes_general else (self.general,)
        return tuple(ref.path for ref in (self.own, *general, *self.scales))


@dataclass(frozen=True)
class OpenPairs:
    """The opened stores.

    `reader` gives the domain's own patches, `mixture` those of all (None where there are no others); `words` say what the others are,
    `mixes_general` whether general ones are among them.
    """

    store: PatchStore
    reader: Reader
    mixture: Mixture | None
    words: tuple[str, ...]
    mixes_general: bool


@contextmanager
def open_pairs(pairs: Pairs, recipe: Recipe, device: str, log: Log, mixes: bool, beside: int = 1) -> Iterator[OpenPairs]:
    """Open what is trained on.

    Parameters
    ----------
    mixes : whether there is a parent, so that general patches are mixed in.
    beside : how many processes of this machine hold the images, each for itself.

    Raises
    ------
    StoreError
        If a store has another scale or patch plan than the recipe, the general pairs another degradation than the domain's own, or
        `training.scales` names a scale without a store.
    """
    from sr_core.patches import Mixture, Part, PatchStore

    def reader(store: PatchStore) -> Reader:
        return _reader(store, recipe, device, log, beside)

    with ExitStack() as stack:
        store = stack.enter_context(PatchStore(pairs.own.path))
        check_store(store, recipe, recipe.scale)
        own = reader(store)
        share = recipe.adaptation.general_share if mixes and pairs.general is not None else 0.0
        parts: list[Part] = []
        words: list[str] = []
        others = _other_scales(pairs, recipe, stack)
        for scale, other in others.items():
            parts.append(Part(reader(other), (1 - share) / (1 + len(others))))
            words.append(f"with as many of the same images at x{scale}")
        if pairs.general is not None and share > 0:
            general = stack.enter_context(PatchStore(pairs.general.path))
            check_store(general, recipe, recipe.scale, smoothed=general.plan.smoothed)
            if general.operator != store.operator:
                raise StoreError("general pairs under another degradation", "the domain's own", AGAIN)
            parts.append(_fitted(reader(general), own, share))
            words.append(f"{share:.0%} of every batch are general patches of {len(general.sources)} pictures")
        for sentence in words:
            log.say(f"train: {sentence}")
        yield OpenPairs(store, own, Mixture(own, parts) if parts else None, tuple(words), pairs.general is not None and share > 0)


def check_store(store: PatchStore, recipe: Recipe, scale: int, smoothed: tuple[float, ...] | None = None) -> None:
    """Refuse a store that was not made for the recipe.

    Parameters
    ----------
    smoothed : under which smoothings the images stand there, where that is the store's own business.

    Raises
    ------
    StoreError
        With what differs.
    """
    if store.scale != scale:
        raise StoreError(f"a patch store of scale x{store.scale}", f"x{scale}, as the recipe says", AGAIN)
    wanted = recipe.patches if smoothed is None else recipe.patches.model_copy(update={"smoothed": smoothed})
    if store.plan != wanted:
        raise StoreError(f"a store of patches {store.plan.describe()}", f"patches {wanted.describe()}, as the recipe says", AGAIN)


def check_operator(ref: StoreRef, operator: Operator) -> None:
    """Refuse a store that was made under another degradation.

    Raises
    ------
    StoreError
        With both in words.
    """
    from sr_core.operators import operator_from
    from sr_core.patches import PatchStore

    with PatchStore(ref.path) as store:
        own = operator_from(store.operator)
    if own.digest() != operator.digest():
        raise StoreError(f"a store of pairs under {_short(own)}", f"{_short(operator)}, as the recipe says", AGAIN)


def _short(operator: Operator) -> str:
    return operator.describe().split(";")[0]


def _reader(store: PatchStore, recipe: Recipe, device: str, log: Log, beside: int) -> Reader:
    from sr_core.operators import interpolation, operator_from
    from sr_core.patches.choice import training_reader

    upscale = interpolation(operator_from(store.operator)).upscale
    return training_reader(store, recipe.network.bands == "band-wise", device, upscale, log, beside)


def _other_scales(pairs: Pairs, recipe: Recipe, stack: ExitStack) -> dict[int, PatchStore]:
    from sr_core.patches import PatchStore

    wanted = [scale for scale in recipe.training.scales if scale != recipe.scale]
    found = {store.scale: store for store in (stack.enter_context(PatchStore(ref.path)) for ref in pairs.scales)}
    for scale in wanted:
        if scale not in found:
            raise StoreError(f"no patch store of scale x{scale}", f"one for each of training.scales {list(recipe.training.scales)}", AGAIN)
        check_store(found[scale], recipe, scale)
    return {scale: found[scale] for scale in wanted}


def _fitted(reader: Reader, own: Reader, share: float) -> Part:
    """Bring general patches to mean and contrast of the domain's own; the degradation is linear and keeps constants: pairs stay pairs."""
    from sr_core.patches import Part

    (mean, std), (wanted_mean, wanted_std) = reader.normalisation(), own.normalisation()
    gain = wanted_std / std
    return Part(reader, share, gain, wanted_mean - gain * mean)
