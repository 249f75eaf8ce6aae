"""The recipe: every setting of a run, typed, frozen and hashed. It is kept in the bundle.

A domain's default recipe is Python in the domain's folder; `Recipe.with_overrides` changes single settings by
their dotted name (`training.steps=200`).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, field_validator, model_validator

from sr_core.errors import RecipeError
from sr_core.families import FAMILIES, FamilyName, PositiveInt, Sizes
from sr_core.records import Record

Share = Annotated[float, Field(gt=0, lt=1)]
RateShare = Annotated[float, Field(ge=0, le=1)]
Scale = Annotated[int, Field(ge=2, le=8)]


def _listed(given: object) -> object:
    """Read "2,3,4" as a list, as it comes from a command line."""
    return [part.strip() for part in given.split(",") if part.strip()] if isinstance(given, str) else given


Scales = Annotated[tuple[Scale, ...], BeforeValidator(_listed)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Smoothings = Annotated[tuple[Annotated[float, Field(gt=0, le=8)], ...], BeforeValidator(_listed)]
USUAL_STEPS = 360
ENDS = ("epochs", "cpu_minutes", "minutes")  # what may end training instead of steps
Purpose = Literal["fidelity", "perceptual"]
EstimatorName = Literal["head", "heuristic", "self-ensemble"]


class PatchPlan(Record):
    """How training pairs are cut (sides and stride in pixels of the named grid).

    `smoothed`: every training image stands there once more for each of these Gaussians (standard deviation, HR pixels), as a
    device with a softer kernel would show it, and is degraded like the others.
    """

    grid: Literal["lr", "hr"] = "lr"
    size: PositiveInt = 33
    stride: PositiveInt = 14
    origins: Literal["classic", "edge", "whole"] = "edge"
    smoothed: Smoothings = Field(default=(), exclude_if=lambda smoothed: not smoothed)  # stores from before it keep their content

    @field_validator("smoothed")
    @classmethod
    def _rising(cls, smoothed: tuple[float, ...]) -> tuple[float, ...]:
        if list(smoothed) != sorted(set(smoothed)):
            raise ValueError(f"patches.smoothed {list(smoothed)} must rise, each value once")
        return smoothed

    def describe(self) -> str:
        """Say it in a few words."""
        more = f", also smoothed by {', '.join(f'{sigma:g}' for sigma in self.smoothed)} px" if self.smoothed else ""
        return f"of {self.size} px at stride {self.stride} on the {self.grid.upper()} grid, origins {self.origins}{more}"


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
    """The pixel phase: a distance of the residual, warm-up then cosine, and when it ends. The first limit that is reached ends it.

    Attributes
    ----------
    steps : gradient steps. 360 where neither `epochs` nor a budget is chosen; else None, no limit, unless it is chosen, too.
    epochs : instead of steps, passes over the training patches: as many are drawn (with replacement) as the store has, this often.
    cpu_minutes : budget in minutes of process time: all threads of this process, also those of validating and of checkpoints.
    minutes : budget in minutes by the clock.
    target_db : ends early, once the averaged network's PSNR on the validation images reaches it; looked at every `validate_every` steps.
    psnr_loss_db : a PSNR on the validation images that far below its best so far, or below bicubic interpolation's, is a collapse.
    scales : for a network on the upscaled image: patches of all these scales stand in every batch, in equal parts, the recipe's own among
        them (Kim et al., VDSR, CVPR 2016, section 3.3); empty: the recipe's own alone.
    compile : have the network compiled by PyTorch, on CUDA only.

    Notes
    -----
    The rate follows the share of steps or budget that is used, so that it has come down when the phase ends; a quarter at most is
    warm-up. What a stopped run has used of its budgets counts when it goes on. Fitting the filter and the other phases are outside of
    them. A run that ends by steps, epochs or target gives the same bits again; one that ends by a budget does not, for it depends on
    how fast the machine was.
    """

    loss: Literal["l1", "l2", "charbonnier"] = "l1"
    steps: PositiveInt | None = None
    epochs: PositiveInt | None = None
    cpu_minutes: Positive | None = None
    minutes: Positive | None = None
    target_db: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    psnr_loss_db: Positive = 3.0
    batch: PositiveInt = 16
    optimiser: Literal["adam", "muon"] = "adam"
    rate: Annotated[float, Field(gt=0)] = 1.4e-3
    warmup_steps: Annotated[int, Field(ge=0)] = 50
    final_rate_share: Annotated[float, Field(ge=0, le=1)] = 0.02
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool = False
    checkpoint_every: PositiveInt = 60
    log_every: PositiveInt = 20
    validate_every: PositiveInt = 60
    scales: Scales = ()

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        if isinstance(given, dict) and all(given.get(limit) is None for limit in ("steps", *ENDS)):
            return given | {"steps": USUAL_STEPS}
        return given

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.steps is not None and self.epochs is not None:
            raise ValueError(f"steps={self.steps} and epochs={self.epochs} both say how long training is: choose one of them")
        return self

    def unchosen(self) -> dict[str, None]:
        """Name `steps` with None where it is the usual number: so another end of training can take its place."""
        return {"steps": None} if self.steps == USUAL_STEPS else {}


class AdaptationPlan(Record):
    """How the pixel phase goes on from a parent's weights; it says nothing where there is no parent.

    `general_share` of every batch are general patches, where a store of them is given, so that the network does not forget what its
    parent knew. `rate` is the learning rate over `training.rate`. `head`, `body` and `tail` are those of the first layer, the layers
    between, and those from the first upscaling on, over that; 0 freezes them until step `thaw_after` (0: to the end), from which on they
    move with the others. `layer_decay` multiplies the rate once more for every layer further from the output (Howard, Ruder, "Universal
    language model fine-tuning", ACL 2018, section 3.2).
    """

    general_share: Annotated[float, Field(ge=0, lt=1)] = 0.5
    rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    head: RateShare = 1.0
    body: RateShare = 1.0
    tail: RateShare = 1.0
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    thaw_after: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _something_moves(self) -> Self:
        if not self.head + self.body + self.tail > 0:
            raise ValueError("adaptation.head, body and tail are all 0, so nothing would be trained: set one above 0")
        return self


class Terms(Record):
    """Weights of the adversarial phase's terms; 0 leaves a term out.

    `pixel`, `consistency` (|A x - y|), `gradient` (Sobel) and `frequency` (amplitude spectrum) are distances over the error that the phase
    starts with; `adversarial` is the game's loss; `matching` and `texture` (Gram) compare the discriminator's features, relative to the
    truth's; `spectrum` compares energies by ring of frequencies and `content` the features of VGG19, likewise (`adversarial.vgg` names
    its weights); `variation` is the image's own total variation over the truth's.
    """

    pixel: Annotated[float, Field(ge=0)] = 1.0
    adversarial: Annotated[float, Field(ge=0)] = 0.5
    matching: Annotated[float, Field(ge=0)] = 1.0
    texture: Annotated[float, Field(ge=0)] = 0.0
    consistency: Annotated[float, Field(ge=0)] = 1.0
    gradient: Annotated[float, Field(ge=0)] = 0.0
    frequency: Annotated[float, Field(ge=0)] = 0.0
    spectrum: Annotated[float, Field(ge=0)] = 3.0
    content: Annotated[float, Field(ge=0)] = 0.0
    variation: Annotated[float, Field(ge=0)] = 0.0


class AdversarialPlan(Record):
    """The adversarial phase of a perceptual model: between pixel and spread phase, from the pixel phase's averaged weights.

    `width` is that of the discriminator's first convolution. A network that loses more than `psnr_loss_db` to the pixel phase's on the
    validation images is a collapse. `vgg` is a file or https address with weights of VGG19 (safetensors, or a state dict of tensors),
    `vgg_sha256` its hash, `vgg_layer` the convolution whose features are compared; they are read only where `terms.content` is above 0.
    """

    steps: PositiveInt = 200
    rate: Annotated[float, Field(gt=0)] = 3e-4
    discriminator_rate: Annotated[float, Field(gt=0)] = 3e-4
    width: PositiveInt = 32
    game: Literal["relativistic", "standard"] = "relativistic"
    terms: Terms = Terms()
    vgg: str = ""
    vgg_sha256: str = ""
    vgg_layer: str = "conv5_4"
    psnr_loss_db: Annotated[float, Field(gt=0)] = 2.0


class SpreadPlan(Record):
    """The spread phase: a head on the frozen trunk that says in the same pass how large errors are.

    `tail` "light" teaches it the mean size of errors (least squares of |error|), "heavy" the scale of a Laplace distribution (its
    likelihood): intervals that hold more of the largest errors, for more width.
    """

    tail: Literal["light", "heavy"] = "light"
    steps: PositiveInt = 150
    rate: Annotated[float, Field(gt=0)] = 3e-3


class CalibrationPlan(Record):
    """The interval's promise: miscoverage of pixels, of groups, and the risk that calibration misled us.

    It holds for the model run as a self-ensemble of that size, with that estimator of the spread; every later stage runs it so.
    `estimator` "head" is the network's own, and "heuristic" where it has none: a line through features of measurement and image, fitted on
    the validation images; "self-ensemble" the standard deviation of its runs.
    """

    alpha: Share = 0.10
    delta: Share = 0.10
    gamma: Share = 0.10
    ensemble: int = 1
    estimator: EstimatorName = "head"

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if self.ensemble not in (1, 4, 8):
            raise ValueError("calibration.ensemble must be 1 (none), 4 (flips) or 8 (turns, too)")
        if self.estimator == "self-ensemble" and self.ensemble == 1:
            raise ValueError("calibration.estimator self-ensemble needs runs to compare: set calibration.ensemble=4 or 8")
        return self


class Recipe(Record):
    """All settings of a run.

    `operator` names one of the domain's degradations; `data_range` is the range that PSNR and SSIM assume, in the image's
    unit (None: measured once on the training pixels and recorded). `noise` is the standard deviation of the white noise that the sensor is
    known to add to every LR image, in its unit; made LR images get it, too.

    `purpose` "perceptual" adds the adversarial phase: texture that looks
    right at the cost of PSNR, which must be asked for by this name; where a domain's recipe sets `allow_perceptual` to false, by both.
    `storage` is the type in which the bundle keeps the network's weights; they are rounded before calibration, so what is calibrated is
    what is kept. `licence` and `credits` (sentences; as one text, with ";" between them) are those of the training data; they go into the
    model's card, and the credits into every image that it makes.
    """

    domain: str
    purpose: Purpose = "fidelity"
    allow_perceptual: bool = True
    scale: Scale = 2
    operator: str = "bicubic"
    seed: Annotated[int, Field(ge=0)] = 1
    data_range: float | None = None
    noise: Annotated[float, Field(ge=0, allow_inf_nan=False, exclude_if=lambda noise: not noise)] = 0.0
    storage: Literal["float32", "float16"] = "float32"
    licence: str = ""
    credits: tuple[str, ...] = ()
    patches: PatchPlan = PatchPlan()
    network: NetworkPlan = NetworkPlan()
    training: TrainingPlan = TrainingPlan()
    adaptation: AdaptationPlan = AdaptationPlan()
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
    def _scales(self) -> Self:
        scales = self.training.scales
        if not scales:
            return self
        if not FAMILIES[self.network.family].upscaled:
            raise ValueError(
                f"training.scales needs a network on the upscaled image (vdsr, srcnn), not network.family {self.network.family}"
            )
        if len(set(scales)) < len(scales) or self.scale not in scales:
            raise ValueError(f"training.scales {list(scales)} must name different scales, {self.scale} (scale) among them")
        return self

    @model_validator(mode="after")
    def _thaw(self) -> Self:
        after, steps = self.adaptation.thaw_after, self.training.steps
        if steps is not None and after >= steps:
            raise ValueError(f"adaptation.thaw_after {after} is not before the last of training.steps {steps}")
        return self

    @model_validator(mode="after")
    def _ends(self) -> Self:
        chosen = [f"training.{name}" for name in (*ENDS, "target_db") if getattr(self.training, name) is not None]
        if chosen and self.network.family == "linear":
            raise ValueError(
                f"network.family linear is solved at once, so there is nothing for {' and '.join(chosen)} to end: leave it out"
            )
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
        if not terms.adversarial + terms.matching + terms.texture + terms.spectrum + terms.content > 0:
            raise ValueError("purpose=perceptual needs adversarial.terms.adversarial, matching, texture, spectrum or content above 0")
        if terms.content > 0 and not (self.adversarial.vgg and self.adversarial.vgg_sha256):
            raise ValueError("adversarial.terms.content needs weights of VGG19: set adversarial.vgg and adversarial.vgg_sha256")
        side = self.patches.size * (self.scale if self.patches.grid == "lr" else 1)
        if side < 16:
            raise ValueError(f"patches of {side} HR pixels are too small for a discriminator: set a larger patches.size (16 HR pixels)")
        return self

    def with_overrides(self, overrides: Mapping[str, Any]) -> Recipe:
        """Give the recipe with some settings changed, by dotted name; values may be text ("200").

        With another `network.family` come its own usual sizes; sizes that were chosen before stay. With epochs or a budget the usual
        number of steps is no limit any more; one that was chosen stays.

        Raises
        ------
        RecipeError
            If a name is unknown (the nearest known one is suggested) or the settings conflict.
        """
        body = _settings_of(self)
        if "network.family" in overrides:
            body["network"] |= self.network.unchosen()
        if any(f"training.{limit}" in overrides for limit in ENDS):
            body["training"] |= self.training.unchosen()
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


def _settings_of(record: BaseModel) -> dict[str, Any]:
    """Give all settings, those included that a dump leaves out."""
    values = ((name, getattr(record, name)) for name in type(record).model_fields)
    return {name: _settings_of(value) if isinstance(value, BaseModel) else value for name, value in values}


def setting_names(model: type[BaseModel] = Recipe, prefix: str = "") -> list[str]:
    """List the dotted names of all settings."""
    names: list[str] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += setting_names(field.annotation, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names
