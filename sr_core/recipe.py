"""The recipe: every setting of a run, typed, frozen and hashed. It is kept in the bundle.

A domain's default recipe is Python in the domain's folder; `Recipe.with_overrides` changes single settings by
their dotted name (`training.steps=200`).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from sr_core.errors import RecipeError
from sr_core.families import FAMILIES, FamilyName, PositiveInt, Sizes
from sr_core.records import Record

Share = Annotated[float, Field(gt=0, lt=1)]


class PatchPlan(Record):
    """How training pairs are cut (sides and stride in pixels of the named grid)."""

    grid: Literal["lr", "hr"] = "lr"
    size: PositiveInt = 33
    stride: PositiveInt = 14
    origins: Literal["classic", "edge", "whole"] = "edge"


class NetworkPlan(Sizes):
    """Which network is built: a family and its sizes (`Sizes`), where another family than EDSR brings its own usual ones."""

    family: FamilyName = "edsr"
    bands: Literal["band-wise", "joint"] = "band-wise"
    base: Literal["linear", "operator"] = "linear"
    linear_taps: Annotated[int, Field(ge=3, le=15)] = 9

    @model_validator(mode="after")
    def _odd(self) -> Self:
        if self.linear_taps % 2 == 0:
            raise ValueError("network.linear_taps must be odd, so that the filter has a centre")
        return self


class TrainingPlan(Record):
    """The pixel phase: a distance of the residual, warm-up then cosine. Bounded by steps, so that a run can be repeated."""

    loss: Literal["l1", "l2", "charbonnier"] = "l1"
    steps: PositiveInt = 360
    batch: PositiveInt = 16
    optimiser: Literal["adam", "muon"] = "adam"
    rate: Annotated[float, Field(gt=0)] = 1.4e-3
    warmup_steps: Annotated[int, Field(ge=0)] = 50
    final_rate_share: Annotated[float, Field(ge=0, le=1)] = 0.02
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checkpoint_every: PositiveInt = 60
    log_every: PositiveInt = 20
    validate_every: PositiveInt = 60


class Terms(Record):
    """Weights of the adversarial phase's terms; 0 leaves a term out.

    `pixel`, `consistency` (|A x - y|), `gradient` (Sobel) and `frequency` (amplitude spectrum) are distances over the error that the phase
    starts with; `adversarial` is the game's loss; `matching` and `texture` (Gram) compare the discriminator's features, relative to the
    truth's.
    """

    pixel: Annotated[float, Field(ge=0)] = 1.0
    adversarial: Annotated[float, Field(ge=0)] = 0.5
    matching: Annotated[float, Field(ge=0)] = 1.0
    texture: Annotated[float, Field(ge=0)] = 0.0
    consistency: Annotated[float, Field(ge=0)] = 1.0
    gradient: Annotated[float, Field(ge=0)] = 0.0
    frequency: Annotated[float, Field(ge=0)] = 0.0


class AdversarialPlan(Record):
    """The adversarial phase of a perceptual model: between pixel and spread phase, from the pixel phase's averaged weights.

    `width` is that of the discriminator's first convolution. A network that loses more than `psnr_loss_db` to the pixel phase's on the
    validation images is a collapse.
    """

    steps: PositiveInt = 200
    rate: Annotated[float, Field(gt=0)] = 3e-4
    discriminator_rate: Annotated[float, Field(gt=0)] = 3e-4
    width: PositiveInt = 32
    game: Literal["relativistic", "standard"] = "relativistic"
    terms: Terms = Terms()
    psnr_loss_db: Annotated[float, Field(gt=0)] = 2.0


class SpreadPlan(Record):
    """The spread phase: the one-pass error-magnitude head on the frozen trunk."""

    steps: PositiveInt = 150
    rate: Annotated[float, Field(gt=0)] = 3e-3


class CalibrationPlan(Record):
    """The interval's promise: miscoverage of pixels, of groups, and the risk that calibration misled us.

    It holds for the model run as a self-ensemble of that size; every later stage runs it so.
    """

    alpha: Share = 0.10
    delta: Share = 0.10
    gamma: Share = 0.10
    ensemble: int = 1

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if self.ensemble not in (1, 4, 8):
            raise ValueError("calibration.ensemble must be 1 (none), 4 (flips) or 8 (turns, too)")
        return self


class Recipe(Record):
    """All settings of a run.

    `operator` names one of the domain's degradations; `data_range` is the range that PSNR and SSIM assume, in the image's
    unit (None: measured once on the training pixels and recorded). `purpose` "perceptual" adds the adversarial phase: texture that looks
    right at the cost of PSNR, which must be asked for by this name; where a domain's recipe sets `allow_perceptual` to false, by both.
    `storage` is the type in which the bundle keeps the network's weights; they are rounded before calibration, so what is calibrated is
    what is kept. `licence` and `credits` (sentences; as one text, with ";" between them) are those of the training data; they go into the
    model's card, and the credits into every image that it makes.
    """

    domain: str
    purpose: Literal["fidelity", "perceptual"] = "fidelity"
    allow_perceptual: bool = True
    scale: Annotated[int, Field(ge=2, le=8)] = 2
    operator: str = "bicubic"
    seed: Annotated[int, Field(ge=0)] = 1
    data_range: float | None = None
    storage: Literal["float32", "float16"] = "float32"
    licence: str = ""
    credits: tuple[str, ...] = ()
    patches: PatchPlan = PatchPlan()
    network: NetworkPlan = NetworkPlan()
    training: TrainingPlan = TrainingPlan()
    adversarial: AdversarialPlan = AdversarialPlan()
    spread: SpreadPlan = SpreadPlan()
    calibration: CalibrationPlan = CalibrationPlan()

    @field_validator("credits", mode="before")
    @classmethod
    def _sentences(cls, value: object) -> object:
        """Read a text as sentences with ";" between them."""
        return tuple(part.strip() for part in value.split(";") if part.strip()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        grid = "hr" if FAMILIES[self.network.family].upscaled else "lr"
        if self.patches.grid != grid:
            where = "the upscaled image" if grid == "hr" else "LR input"
            raise ValueError(f"network.family {self.network.family} works on {where}: set patches.grid={grid}")
        return self

    @model_validator(mode="after")
    def _perceptual(self) -> Self:
        if self.purpose == "fidelity":
            return self
        if not self.allow_perceptual:
            raise ValueError(f"{self.domain} images should not show made-up detail: if you mean it, set allow_perceptual=true as well")
        if self.network.family == "linear":
            raise ValueError("network.family linear has no weights for an adversarial phase: set purpose=fidelity, or another family")
        terms = self.adversarial.terms
        if not terms.adversarial + terms.matching + terms.texture > 0:
            raise ValueError("purpose=perceptual needs adversarial.terms.adversarial, matching or texture above 0")
        side = self.patches.size * (self.scale if self.patches.grid == "lr" else 1)
        if side < 16:
            raise ValueError(f"patches of {side} HR pixels are too small for a discriminator: set a larger patches.size (16 HR pixels)")
        return self

    def with_overrides(self, overrides: Mapping[str, Any]) -> Recipe:
        """Give the recipe with some settings changed, by dotted name; values may be text ("200").

        With another `network.family` come its own usual sizes; sizes that were chosen before stay.

        Raises
        ------
        RecipeError
            If a name is unknown (the nearest known one is suggested) or the settings conflict.
        """
        body = self.model_dump()
        if "network.family" in overrides:
            body["network"] |= self.network.unchosen()
        for name, value in overrides.items():
            place: Any = body
            *parents, last = name.split(".")
            for part in parents:
                place = place.get(part) if isinstance(place, dict) else None
            if not isinstance(place, dict) or last not in place or isinstance(place[last], dict):
                known = setting_names()
                near = difflib.get_close_matches(name, known, n=1)
                raise RecipeError(
                    f"setting {name!r}", "one of " + ", ".join(known), f"Did you mean {near[0]}?" if near else "See sr train --help."
                )
            place[last] = value
        try:
            return Recipe.model_validate(body)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
            )
            raise RecipeError(f"overrides {dict(overrides)}", "settings that agree", faults + ".") from error


def setting_names(model: type[BaseModel] = Recipe, prefix: str = "") -> list[str]:
    """List the dotted names of all settings."""
    names: list[str] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += setting_names(field.annotation, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names
