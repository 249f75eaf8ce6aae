"""What a warm start takes over: a parent's layers in a network of the same family and sizes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sr_core.errors import BundleError
from sr_core.families import SIZES
from sr_core.networks.blocks import Conv, TransposedConv
from sr_core.networks.descriptor import Descriptor
from sr_core.networks.net import SRNet

HEAD = "spread_head."  # first part of the names of the spread head's parameters


@dataclass(frozen=True)
class Transfer:
    """What became of a network's layers, by the names of their parameters.

    Attributes
    ----------
    taken : as they are in the parent.
    adapted : the parent's, for another number of bands.
    fresh : as in a new network, because the parent has none of this name and shape (as at the end of a network of another scale).
    base : whether base and parent's base are the same, so that with no fresh or adapted layer the network is its parent.
    """

    taken: tuple[str, ...]
    adapted: tuple[str, ...]
    fresh: tuple[str, ...]
    base: bool

    @property
    def whole(self) -> bool:
        """Whether the network now computes what its parent does."""
        return self.base and not self.adapted and not self.fresh

    def says(self) -> str:
        """Say it in a clause."""
        parts = [f"{len(self.taken)} of {len(self.taken) + len(self.adapted) + len(self.fresh)} weights and biases taken over"]
        if self.adapted:
            parts.append(f"{len(self.adapted)} adapted to other bands")
        if self.fresh:
            parts.append(f"{len(self.fresh)} new")
        if not self.base:
            parts.append("over a base of its own")
        return ", ".join(parts)


@torch.no_grad()
def transfer(parent: SRNet, net: SRNet) -> Transfer:
    """Copy a parent's layers into a network, in place; the parent's spread head is left behind.

    A layer is taken where name and shape agree. Where a joint network reads or gives another number of bands, C' for C, every band of the
    first layer's input gets the mean over the parent's bands times C / C', and every band of the last layer's output the mean over the
    parent's: an image whose bands are all equal then gives what it gave before. Where any layer is new, the last one is new, too, so that
    the network starts as its base. The fitted filter below comes along where degradation, scale and size of the filter are the parent's;
    else the network's own stays.

    Raises
    ------
    BundleError
        If family or sizes differ.
    """
    check_sizes(parent.descriptor, net.descriptor)
    theirs = {name: value for name, value in parent.named_parameters() if not name.startswith(HEAD)}
    axes = {name: axis for name, axis in _band_axes(net).items() if _band_axes(parent).get(name) == axis}
    ours = {name: value for name, value in net.named_parameters() if not name.startswith(HEAD)}
    taken = [name for name, value in ours.items() if name in theirs and theirs[name].shape == value.shape]
    adapted = [name for name in ours if name in theirs and name in axes and name not in taken]
    if len(taken) + len(adapted) < len(ours):
        last = {name for name, (_, read) in _band_axes(net).items() if not read}
        taken, adapted = ([name for name in names if name not in last] for names in (taken, adapted))
    for name in taken:
        ours[name].copy_(theirs[name])
    for name in adapted:
        axis, read = axes[name]
        ours[name].copy_(_over_bands(theirs[name], ours[name].shape[axis], axis, read))
    fresh = [name for name in ours if name not in taken and name not in adapted]
    base = _same_base(parent.descriptor, net.descriptor)
    if base and net.filter is not None and parent.filter is not None:
        net.filter.load_state_dict(parent.filter.state_dict())
    return Transfer(tuple(taken), tuple(adapted), tuple(fresh), base)


def check_sizes(parent: Descriptor, wanted: Descriptor) -> None:
    """Refuse a parent of another family or other sizes.

    Raises
    ------
    BundleError
        With the first difference.
    """
    for name in ("family", *SIZES):
        theirs, ours = getattr(parent, name), getattr(wanted, name)
        if theirs != ours:
            raise BundleError(
                f"a parent with {name} {theirs}, for a network with {name} {ours}", "a parent of the same family and sizes",
                f"Set network.{name}={theirs}, or leave it out: it then is the parent's.",
            )  # fmt: skip


def comparable(parent: Descriptor, scale: int, bands: int) -> bool:
    """Say whether a parent, as it is, can upscale images of so many bands by this scale."""
    return parent.scale == scale and (parent.bandwise or parent.channels == bands)


def _same_base(parent: Descriptor, net: Descriptor) -> bool:
    same = parent.scale == net.scale and parent.base == net.base and parent.operator == net.operator
    return same and (net.base != "linear" or parent.linear_taps == net.linear_taps)


def _band_axes(net: SRNet) -> dict[str, tuple[int, bool]]:
    """Name the parameters whose shape depends on the number of bands, with the axis of the bands and whether they are those read."""
    if net.trunk is None or net.tail is None:
        return {}
    names = {module: name for name, module in net.named_modules()}
    first = next(block for block in net.trunk.modules() if isinstance(block, Conv))
    last = net.tail.steps()[-1]
    axes = {f"{names[first]}.weight": (1, True)}
    if isinstance(last, Conv | TransposedConv):
        axes |= {f"{names[last]}.weight": (0 if isinstance(last, Conv) else 1, False), f"{names[last]}.bias": (0, False)}
    return axes


def _over_bands(found: Tensor, bands: int, axis: int, read: bool) -> Tensor:
    """Spread a tensor's mean over its bands onto another number of them."""
    mean = found.mean(dim=axis, keepdim=True)
    shape = [*found.shape]
    shape[axis] = bands
    return mean.expand(shape) * (found.shape[axis] / bands if read else 1.0)
