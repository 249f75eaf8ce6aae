"""A whole network as rows of pixels pass through it: base, residual and spread, put together where all of them are there."""

from __future__ import annotations

import torch
from torch import Tensor

from sr_core.inference.rows import Flow, Queue, added, flow_of, joined
from sr_core.networks import SRNet

LEAST = 4  # rows that are fed at once to the tail, where more come


class NetFlow:
    """A network through which one image passes once, from top to bottom.

    Parameters
    ----------
    net : on its device, in evaluation mode.
    precision : number format of trunk, tail and trained spread head; the base stays in float32.
    spread : whether the spread is wanted; the network must have a head.

    Raises
    ------
    ShapeError
        If the network has a block that cannot be computed row by row.
    """

    def __init__(self, net: SRNet, precision: torch.dtype, spread: bool) -> None:
        full = torch.float32
        self._upscale = flow_of(net.upscale, full)
        self._filter = None if net.filter is None else flow_of(net.filter, full)
        self._trunk = None if net.trunk is None else flow_of(net.trunk, precision)
        self._tail = None if net.tail is None else flow_of(net.tail, precision)
        learned = precision if net.trunk is not None else full
        self._head = flow_of(net.spread_head, learned) if spread and net.spread_head is not None else None
        self._queues = {part: Queue() for part in ("upscaled", "detail", "residual", "spread")}

    def feed(self, y: Tensor, last: bool) -> tuple[Tensor, Tensor | None]:
        """Take rows of the normalised image, and give the rows of mean and spread that follow from them.

        Parameters
        ----------
        y : float32 (1, C, rows, W): one band, or all bands that the network takes at once.
        last : whether the image ends here.

        Returns
        -------
        mean, spread : float32 (1, C, s rows', s W), rows' >= 0.
        """
        bands = _like_bands(y)
        made = {"upscaled": self._upscale.feed(bands, last)}
        if self._filter is not None:
            made["detail"] = self._filter.feed(bands, last)
        if self._trunk is not None and self._tail is not None:
            features = self._trunk.feed(y, last)
            fed = max(LEAST, y.shape[2])
            made["residual"] = _like_bands(in_pieces(self._tail, features, fed, last))
            if self._head is not None:
                made["spread"] = _like_bands(in_pieces(self._head, features, fed, last))
        elif self._head is not None:
            made["spread"] = self._head.feed(made.get("detail", torch.zeros_like(made["upscaled"])), last)
        for part, rows in made.items():
            self._queues[part].put(rows)
        ready = min(self._queues[part].rows for part in made)
        mean = joined(self._queues["upscaled"].take(ready))
        for part in ("detail", "residual"):
            if part in made:
                added(mean, self._queues[part].take(ready))
        error = joined(self._queues["spread"].take(ready)).to(y.dtype) if "spread" in made else None
        return _like_image(mean, y), None if error is None else _like_image(error, y)

    def kept(self) -> int:
        """Give the bytes kept between two feeds."""
        flows: list[Flow | None] = [self._upscale, self._filter, self._trunk, self._tail, self._head]
        return sum(flow.kept() for flow in flows if flow is not None) + sum(queue.kept() for queue in self._queues.values())


def in_pieces(flow: Flow, x: Tensor, rows: int, last: bool) -> Tensor:
    """Feed at most so many rows at once: with an image's last ones come all that the trunk had kept, and a tail's rows are large."""
    if x.shape[2] <= rows:
        return flow.feed(x, last)
    starts = range(0, x.shape[2], rows)
    return joined([flow.feed(x[:, :, row : row + rows], last and row == starts[-1]) for row in starts])


def _like_bands(x: Tensor) -> Tensor:
    """Fold the bands into the sample axis; there may be no rows yet."""
    return x.reshape(x.shape[0] * x.shape[1], 1, *x.shape[-2:])


def _like_image(x: Tensor, y: Tensor) -> Tensor:
    return x.reshape(y.shape[0], y.shape[1], *x.shape[-2:])
