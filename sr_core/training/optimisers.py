"""The optimisers, as one object with a plain state: fused Adam, or Muon on the body's convolutions and Adam on the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from sr_core.errors import StoreError

MUON_RATE = 10.0  # Muon's rate over Adam's. Its updates have a spectral norm of 1, so the two are not comparable.

SHARE = "share"  # of a parameter group: its rate over the optimiser's

ADAM_STATE, MUON_STATE = ("step", "exp_avg", "exp_avg_sq"), ("momentum_buffer",)
AGAIN = "Delete the checkpoint and train again."


class Optimiser:
    """Steps a set of parameters.

    Parameters
    ----------
    named : names and parameters; the names are those of the state.
    kind : "adam" (beta 0.9, 0.999), or "muon": 3x3 convolutions with as many output as input channels go to Muon
        (momentum 0.95, Nesterov, no weight decay, `MUON_RATE` times the rate), the rest to Adam.
    rate : Adam's peak learning rate.
    shares : rates of single parameters over that, by name; 1 where they are not named.

    Notes
    -----
    Muon orthogonalises a matrix. A convolution's is (out, in*kh*kw), a 2-D view of the weight in the order in which it
    lies in memory (channels last): the order of columns does not change the result.

    References
    ----------
    Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015, arXiv:1412.6980.
    Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024, https://kellerjordan.github.io/posts/muon/.
    """

    def __init__(
        self,
        named: Iterable[tuple[str, nn.Parameter]],
        kind: Literal["adam", "muon"],
        rate: float,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        parameters = dict(named)
        body = [name for name, p in parameters.items() if kind == "muon" and _is_body(p)]
        self._views = {name: (parameters[name], _matrix(parameters[name])) for name in body}
        self._plain = {name: p for name, p in parameters.items() if name not in self._views}
        self._stepped: list[tuple[torch.optim.Optimizer, float]] = []
        if self._plain:
            self._stepped.append((torch.optim.Adam(_groups(self._plain, shares or {}), lr=rate, fused=True), rate))
        if self._views:
            matrices = {name: matrix for name, (_, matrix) in self._views.items()}
            muon = torch.optim.Muon(_groups(matrices, shares or {}), lr=rate * MUON_RATE, weight_decay=0.0)
            self._stepped.append((muon, rate * MUON_RATE))

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def clip(self, norm: float) -> Tensor:
        """Scale the gradients down to a joint norm of at most `norm`; give the norm that they had."""
        return nn.utils.clip_grad_norm_(self.parameters(), norm)

    def step(self, share: float) -> None:
        """Make a step at a share of the peak rate."""
        for weight, matrix in self._views.values():
            matrix.grad = None if weight.grad is None else _flat(weight.grad)
        for optimiser, peak in self._stepped:
            for group in optimiser.param_groups:
                group["lr"] = peak * share * group[SHARE]
            optimiser.step()

    def tensors(self) -> dict[str, Tensor]:
        """Give the state as `<parameter>/<quantity>`, for a checkpoint; empty before the first step."""
        found: dict[str, Tensor] = {}
        for name, parameter, optimiser in self._slots():
            for key, value in optimiser.state.get(parameter, {}).items():
                found[f"{name}/{key}"] = value
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave.

        Raises
        ------
        StoreError
            If a tensor belongs to no parameter of this optimiser, or has another shape, or one is missing.
        """
        left = dict(tensors)
        for name, parameter, optimiser in self._slots():
            optimiser.state.pop(parameter, None)
            mine = [key for key in left if key.rpartition("/")[0] == name]
            needed = MUON_STATE if isinstance(optimiser, torch.optim.Muon) else ADAM_STATE
            if not mine and self._rests(name):
                continue  # a frozen layer has not moved yet
            if missing := [key for key in needed if f"{name}/{key}" not in mine]:
                raise StoreError(f"no optimiser state {name}/{missing[0]}", "one for every parameter that moves", AGAIN)
            for full in mine:
                value = left.pop(full)
                # A new tensor like the parameter: the fused step walks memory and needs both in one order.
                if value.ndim and value.shape != parameter.shape:
                    raise StoreError(f"state {full} of shape {tuple(value.shape)}", f"{tuple(parameter.shape)}", AGAIN)
                like = torch.empty_like(parameter) if value.ndim else torch.empty_like(value, device=parameter.device)
                optimiser.state[parameter][full.rpartition("/")[2]] = like.copy_(value)
        if left:
            raise StoreError(f"optimiser state of {sorted(left)[0]}", "a parameter of this network", AGAIN)

    def parameters(self) -> list[nn.Parameter]:
        """Give the parameters that are stepped."""
        return [*self._plain.values(), *(weight for weight, _ in self._views.values())]

    def _rests(self, name: str) -> bool:
        parameter = self._plain[name] if name in self._plain else self._views[name][0]
        return not parameter.requires_grad

    def _slots(self) -> list[tuple[str, Tensor, torch.optim.Optimizer]]:
        slots: list[tuple[str, Tensor, torch.optim.Optimizer]] = []
        for optimiser, _ in self._stepped:
            if isinstance(optimiser, torch.optim.Muon):
                slots += [(name, matrix, optimiser) for name, (_, matrix) in self._views.items()]
            else:
                slots += [(name, p, optimiser) for name, p in self._plain.items()]
        return slots


def _groups(parameters: Mapping[str, Tensor], shares: Mapping[str, float]) -> list[dict[str, object]]:
    """Put parameters of one rate together, in the order of their first."""
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in parameters.items():
        groups.setdefault(shares.get(name, 1.0), []).append(parameter)
    return [{"params": members, SHARE: share} for share, members in groups.items()]


def _is_body(parameter: Tensor) -> bool:
    return parameter.ndim == 4 and parameter.shape[2:] == (3, 3) and parameter.shape[0] == parameter.shape[1] > 1


def _flat(weight: Tensor) -> Tensor:
    return weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1)


def _matrix(weight: nn.Parameter) -> nn.Parameter:
    if not weight.is_contiguous(memory_format=torch.channels_last):
        weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return nn.Parameter(weight.detach().permute(0, 2, 3, 1).flatten(1), requires_grad=True)
