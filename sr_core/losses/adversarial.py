"""The two players' losses. All take logits (any shape, float32 or float64; > 0 says "real") and give a scalar tensor.

An undecided discriminator (equal logits) costs each player what is noted beside its loss. `mean` takes a mean logit over the whole batch,
of which the logits may be a part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
import torch.nn.functional as functional
from torch import Tensor

Mean = Callable[[Tensor], Tensor]  # of any shape to a scalar


def standard_generator(real: Tensor, fake: Tensor, mean: Mean = torch.mean) -> Tensor:
    """Give -log D(fake), the non-saturating form: log 2 at logit 0. `real` and `mean` do not count.

    References
    ----------
    Goodfellow et al., "Generative adversarial networks", Communications of the ACM 63, 2020, doi:10.1145/3422622; in
    super-resolution: Ledig et al., "Photo-realistic single image super-resolution", CVPR 2017, doi:10.1109/CVPR.2017.19, equation 6.
    """
    return functional.softplus(-fake).mean()


def standard_discriminator(real: Tensor, fake: Tensor, mean: Mean = torch.mean) -> Tensor:
    """Give -log D(real) - log(1 - D(fake)): 2 log 2 at logits 0 (Goodfellow et al., as above)."""
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def relativistic_generator(real: Tensor, fake: Tensor, mean: Mean = torch.mean) -> Tensor:
    """Give what the generator pays where the fake ones do not look more real than the mean real one: 2 log 2 at equal logits.

    References
    ----------
    Jolicoeur-Martineau, "The relativistic discriminator", ICLR 2019, arXiv:1807.00734; in super-resolution: Wang et al., "ESRGAN",
    ECCV workshops 2018, doi:10.1007/978-3-030-11021-5_5, equations 1 and 2.
    """
    return functional.softplus(real - mean(fake)).mean() + functional.softplus(mean(real) - fake).mean()


def relativistic_discriminator(real: Tensor, fake: Tensor, mean: Mean = torch.mean) -> Tensor:
    """Give what the discriminator pays where a real one does not look more real than the mean fake one, and the reverse: 2 log 2."""
    return functional.softplus(mean(fake) - real).mean() + functional.softplus(fake - mean(real)).mean()


def accuracy(real: Tensor, fake: Tensor, relativistic: bool, mean: Mean = torch.mean) -> tuple[Tensor, Tensor]:
    """Give the share of real and of fake samples that the discriminator tells right, each a scalar tensor 0..1.

    Relativistic: against the mean logit of the other kind; else against 0.
    """
    against_real, against_fake = (mean(fake), mean(real)) if relativistic else (0.0, 0.0)
    return (real > against_real).to(real.dtype).mean(), (fake < against_fake).to(fake.dtype).mean()


@dataclass(frozen=True)
class Game:
    """The losses of both players, of (real, fake) logits and a mean; whether they are relativistic; what equal logits cost."""

    generator: Callable[[Tensor, Tensor, Mean], Tensor]
    discriminator: Callable[[Tensor, Tensor, Mean], Tensor]
    relativistic: bool

    @property
    def undecided(self) -> float:
        """What the generator pays where the discriminator cannot tell: logits all 0."""
        return float(self.generator(torch.zeros(1), torch.zeros(1), torch.mean))


GAMES: Mapping[str, Game] = MappingProxyType(
    {
        "standard": Game(standard_generator, standard_discriminator, relativistic=False),
        "relativistic": Game(relativistic_generator, relativistic_discriminator, relativistic=True),
    }
)
