"""The adversarial phase's objective: the discriminator makes its step, then says what the network's batch costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from sr_core.losses import (
    GAMES,
    ContentLoss,
    accuracy,
    consistency,
    frequency,
    gradient,
    l1,
    l2,
    matching,
    read_weights,
    spectrum,
    texture,
    total_variation,
)  # fmt: skip
from sr_core.networks import SRNet
from sr_core.recipe import AdversarialPlan
from sr_core.training.discriminator import Discriminator
from sr_core.training.objectives import MEASURING_BATCHES, mean_parameters
from sr_core.training.optimisers import Optimiser
from sr_core.training.task import LrBatch, Task

COLOURS = 3  # bands that VGG19 takes together
# What is said of every step: the network's terms, each before its weight, and how the discriminator does.
TERMS = ("pixel", "adversarial", "matching", "texture", "consistency", "gradient", "frequency", "spectrum", "content", "variation")
FIGURES = (*TERMS, "discriminator_loss", "accuracy_real", "accuracy_fake")


class AdversarialObjective:
    """The weighted sum of a recipe's terms.

    Parameters
    ----------
    task : what is trained on what.
    net : gives residuals of size 1.
    residual : their true size, in normalised units.

    Notes
    -----
    Distances (pixel, consistency, gradient, frequency) are divided by the mean absolute error that the network starts with, so a weight
    means the same in every unit; the other terms are ratios already. The discriminator steps first; the features of the true
    patches are those of its step, computed once. While it judges for the network its weights are frozen.
    """

    def __init__(self, task: Task, net: SRNet, residual: float) -> None:
        self._task, self._residual = task, residual
        self._plan: AdversarialPlan = task.recipe.adversarial
        self._game = GAMES[self._plan.game]
        self._measured = task.operator.windowed  # patch by patch; else A sees whole images only
        channels = 1 if net.descriptor.bandwise else net.descriptor.channels
        draws = task.stream("first weights", "discriminator")
        judge = Discriminator(channels, self._plan.width, draws)
        self.discriminator: Discriminator = judge.to(task.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._content = self._content_loss() if self._plan.terms.content > 0 else None
        self._first = {name: tensor.clone() for name, tensor in self.discriminator.state_dict().items()}
        self.restore({})
        self.size = self._error_size(net)

    def parameters(self, net: SRNet) -> Iterator[tuple[str, nn.Parameter]]:
        """Name all parameters but the spread head's."""
        return mean_parameters(net)

    def __call__(self, net: SRNet, generator: torch.Generator, batch: int, share: float) -> Tensor:
        """Draw a batch, let the discriminator step on it, and give the network's loss."""
        processes = self._task.processes
        drawn = self._task.lr_batch(generator, batch, processes.part(batch))
        fake, real = self._made(net, drawn), self._task.normalised(drawn.x)
        figures = dict.fromkeys(FIGURES, real.new_zeros(()))
        real_logits, real_features = self._discriminator_step(real, fake.detach(), batch, share, figures)
        terms = self._terms(fake, real, drawn, real_logits, real_features)
        weights = self._plan.terms.model_dump()
        own = torch.stack([{**figures, **terms}[name].detach().double() for name in FIGURES] + [self._sums.new_ones(())])
        self._sums += processes.summed(own * processes.share(batch))
        return torch.stack([weights[name] * term for name, term in terms.items()]).sum()

    def figures(self) -> dict[str, float]:
        """Give the means since the last call, by name; terms of weight 0 are left out."""
        *sums, count = self._sums.tolist()
        self._sums.zero_()
        left = [name for name in TERMS if name not in self._wanted()]
        return {name: value / max(count, 1.0) for name, value in zip(FIGURES, sums, strict=True) if name not in left}

    def tensors(self) -> dict[str, Tensor]:
        """Give the discriminator, its optimiser's state and the running sums, for a checkpoint."""
        weights = {f"net/{name}": tensor for name, tensor in self.discriminator.state_dict().items()}
        return {**weights, **{f"optimiser/{name}": tensor for name, tensor in self._optimiser.tensors().items()}, "sums": self._sums}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave; nothing starts anew."""
        parts: dict[str, dict[str, Tensor]] = {"net": {}, "optimiser": {}, "sums": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = tensor
        self.discriminator.load_state_dict(parts["net"] or self._first)
        self._optimiser = Optimiser(self.discriminator.named_parameters(), "adam", self._plan.discriminator_rate)
        self._sums = torch.zeros(len(FIGURES) + 1, dtype=torch.float64, device=self._task.device)
        if parts["optimiser"]:
            self._optimiser.restore(parts["optimiser"])
        if tensors:
            self._sums.copy_(parts["sums"][""])

    def _wanted(self) -> tuple[str, ...]:
        """Name the terms that count."""
        weights = self._plan.terms.model_dump()
        return tuple(name for name in TERMS if weights[name] > 0 and (name != "consistency" or self._measured))

    def _made(self, net: SRNet, batch: LrBatch) -> Tensor:
        """Give the mean in normalised units."""
        y = self._task.normalised(batch.y)
        with torch.no_grad():
            base = net.base(y)
        with self._task.autocast():
            residual = net.residual(y)
        return base + self._residual * residual.to(base.dtype)

    def _discriminator_step(
        self, real: Tensor, fake: Tensor, batch: int, share: float, figures: dict[str, Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        processes = self._task.processes
        self.discriminator.requires_grad_(True)
        with self._task.autocast():
            real_logits, real_features = self.discriminator(real)
            fake_logits, _ = self.discriminator(fake)
        loss = self._game.discriminator(real_logits, fake_logits, processes.mean)
        self._optimiser.zero_grad()
        loss = processes.backward(loss, batch, self._optimiser.parameters())
        self._optimiser.clip(self._task.recipe.training.clip_norm)
        self._optimiser.step(share)
        right = accuracy(real_logits.detach(), fake_logits.detach(), self._game.relativistic, processes.mean)
        figures.update(discriminator_loss=loss, accuracy_real=right[0], accuracy_fake=right[1])
        return real_logits.detach(), [feature.detach() for feature in real_features]

    def _terms(self, fake: Tensor, real: Tensor, batch: LrBatch, real_logits: Tensor, real_features: list[Tensor]) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(False)
        wanted, mean = self._wanted(), self._task.processes.mean
        made: dict[str, Tensor] = {}
        if {"adversarial", "matching", "texture"} & set(wanted):
            with self._task.autocast():
                logits, features = self.discriminator(fake)
        for name in wanted:
            match name:
                case "pixel":
                    made[name] = l1(fake, real) / self.size
                case "gradient":
                    made[name] = gradient(fake, real) / self.size
                case "frequency":
                    made[name] = frequency(fake, real) / self.size
                case "spectrum":
                    made[name] = spectrum(fake, real)
                case "consistency":
                    made[name] = self._inconsistency(fake, batch)
                case "adversarial":
                    made[name] = self._game.generator(real_logits, logits, mean)
                case "matching":
                    made[name] = matching(features, real_features, mean)
                case "texture":
                    made[name] = texture(features, real_features, mean)
                case "content":
                    made[name] = self._far_in_content(fake, real)
                case "variation":
                    made[name] = total_variation(fake) / mean(total_variation(real)[None]).clamp_min(1e-8)
        return made

    def _content_loss(self) -> ContentLoss:
        """Read VGG19; black and white are the smallest and the largest value of the training images."""
        task, plan = self._task, self._plan
        _, hr = task.reader.moments
        weights = read_weights(plan.vgg, plan.vgg_sha256)
        loss = ContentLoss(weights, ((hr.low - task.mean) / task.std, (hr.high - task.mean) / task.std), plan.vgg_layer)
        return loss.to(task.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def _far_in_content(self, fake: Tensor, real: Tensor) -> Tensor:
        """Give the mean squared distance of the features over the truth's mean square; bands that make no picture go one by one."""
        assert self._content is not None, "made where the term counts"
        if fake.shape[1] != COLOURS:
            fake, real = (image.reshape(-1, 1, *image.shape[-2:]) for image in (fake, real))
        with self._task.autocast():
            with torch.no_grad():
                truth = self._content.features(real).float()
            made = self._content.features(fake).float()
        return l2(made, truth) / self._task.processes.mean(truth.square()).clamp_min(1e-8)

    def _inconsistency(self, fake: Tensor, batch: LrBatch) -> Tensor:
        """Give |A x - y| where A sees nothing beyond the patch, each sample under its own band's operator."""
        task = self._task
        y = task.normalised(batch.y)
        scale = task.operator.scale[0]
        margin = min(-(-task.operator.support // scale), min(y.shape[-2:]) // 4)
        parts = [
            consistency(operator, fake[mine], y[mine], margin) * float(mine.float().mean())
            for operator, mine in task.by_band(batch)
        ]  # fmt: skip
        return torch.stack(parts).sum() / self.size

    @torch.no_grad()
    def _error_size(self, net: SRNet) -> float:
        draws = self._task.stream("size of the error", "adversarial")
        sizes = []
        for _ in range(MEASURING_BATCHES):
            drawn = self._task.lr_batch(draws, self._task.recipe.training.batch)
            sizes.append(l1(self._made(net, drawn), self._task.normalised(drawn.x)))
        return max(float(torch.stack(sizes).mean()), 1e-6)
