"""What each setting of the recipe means, in one place: `sr train --help` and docs/how-to/train.md are made from it.

Names, defaults and choices come from the recipe itself; here stand the words only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from sr_core.recipe import Recipe


@dataclass(frozen=True)
class Setting:
    """One setting: its dotted name, default and choices as text ("" where there are none), and what it means."""

    name: str
    default: str
    choices: str
    words: str


@dataclass(frozen=True)
class Group:
    """Settings that are thought of together."""

    heading: str
    settings: tuple[Setting, ...]


WORDS: Mapping[str, Mapping[str, str]] = {
    "What is made": {
        "domain": "Kind of imagery: the first argument of the command, not for --set.",
        "purpose": "Fidelity, or texture that looks right at the cost of PSNR (adds the adversarial phase).",
        "allow_perceptual": "Whether purpose=perceptual is allowed; medical images ask for it by name.",
        "scale": "SR pixels per pixel and axis, 2 to 8.",
        "operator": "The degradation that makes LR from HR: a name of the domain, for instance bicubic or mtf.",
        "noise": "Standard deviation of the white noise that the sensor adds to an LR image, in its unit; 0: none known.",
        "seed": "Of everything drawn: first weights, patches, flips. The same seed repeats a run.",
        "storage": "Number format of the stored weights; float16 takes half the room, rounded before anything is measured.",
        "licence": "Licence of the model, for its card.",
        "credits": "Credits that the training data ask for, with a semicolon between; in the card, and in every image made.",
        "data_range": "Range that PSNR and SSIM assume, in the image's unit; none: measured on the training pixels.",
    },
    "What it learns from": {
        "patches.grid": "Where patches are cut: on LR, or on the upscaled input (SRCNN, VDSR ask for it).",
        "patches.size": "Side of a patch, in pixels of that grid.",
        "patches.stride": "Pixels from one patch to the next; less means more patches that overlap.",
        "patches.origins": "Where the last patch lies: left out (classic), at the edge, or one patch an image (whole).",
        "patches.smoothed": "Each training image once more, smoothed by Gaussians of so many HR pixels, as softer devices would show it.",
    },
    "Which network": {
        "network.family": "The architecture; docs/networks.md compares them.",
        "network.width": "Feature maps. Twice as many cost about four times the time.",
        "network.blocks": "Residual blocks (VDSR: layers, FSRCNN: mapping layers). Time grows in proportion.",
        "network.narrow": "Feature maps of the narrow layers: SRCNN's second, FSRCNN's shrunken ones.",
        "network.middle": "Side of SRCNN's second kernel: 1, 3 or 5.",
        "network.growth": "Feature maps that each layer of RRDB's dense blocks adds.",
        "network.residual_scale": "What EDSR's and RRDB's residual blocks are multiplied by; 0.1 to 0.2 for deep ones.",
        "network.bands": "One network for every band, each alone, or one that sees all bands together.",
        "network.base": "What the network adds its residual to: the fitted linear filter, or the operator's interpolation.",
        "network.linear_taps": "Side of the fitted filter, in LR pixels; odd.",
    },
    "How long (pixel phase)": {
        "training.steps": "Steps of the pixel phase; also --steps. The rate's schedule is stretched over them.",
        "training.epochs": "Instead of steps: passes over the training patches.",
        "training.minutes": "Instead of steps: minutes by the clock; the schedule follows.",
        "training.cpu_minutes": "Instead of steps: minutes of CPU time; the schedule follows.",
        "training.target_db": "Ends earlier, once PSNR on the validation images reaches this.",
        "training.batch": "Patches a step.",
    },
    "How (pixel phase)": {
        "training.loss": "Distance that is made small: L1 (sharp), L2 (what PSNR counts), Charbonnier (between).",
        "training.optimiser": "How a step is made of the gradient.",
        "training.rate": "Peak learning rate; after a divergence it is halved once.",
        "training.warmup_steps": "Steps over which the rate rises from zero; at most a quarter of all.",
        "training.final_rate_share": "Share of the peak rate at the last step; half a cosine leads there.",
        "training.ema_decay": "Of the running average of the weights, which is the result; 0 takes the last step's.",
        "training.clip_norm": "Gradients longer than this are shortened to it.",
        "training.compile": "Whether PyTorch compiles the network; on CUDA only.",
        "training.scales": "Scales that stand in every batch (SRCNN, VDSR), for instance 2,3,4; empty: the own one.",
        "training.psnr_loss_db": "PSNR lost on the validation images, in decibels, that is a collapse: back to the start, once.",
        "training.precision": "Number format of the convolutions; auto takes bfloat16 where the machine gains.",
    },
    "Going on from a parent (--from)": {
        "adaptation.general_share": "Share of every batch that are general patches, where --general gives some.",
        "adaptation.rate": "Learning rate over training.rate: going on moves less than starting.",
        "adaptation.head": "Rate of the first layer over that; 0 freezes it.",
        "adaptation.body": "Rate of the layers between, likewise.",
        "adaptation.tail": "Rate of the layers from the upscaling on, likewise.",
        "adaptation.layer_decay": "Another factor on the rate for every layer further from the output.",
        "adaptation.thaw_after": "Step from which frozen layers move, too; 0: never.",
    },
    "What is written down": {
        "training.checkpoint_every": "Steps between checkpoints: what a kill can cost.",
        "training.log_every": "Steps between points of the curves; each is the mean since the last.",
        "training.validate_every": "Steps between looks at the validation images (PSNR, pictures).",
    },
    "Adversarial phase (purpose=perceptual)": {
        "adversarial.steps": "Steps against the discriminator.",
        "adversarial.rate": "Peak learning rate of the network.",
        "adversarial.discriminator_rate": "Peak learning rate of the discriminator.",
        "adversarial.width": "Feature maps of the discriminator's first layer.",
        "adversarial.game": "ESRGAN's relativistic average, or SRGAN's game.",
        "adversarial.terms.pixel": "Weight of L1, in units of the error that the phase starts with.",
        "adversarial.terms.adversarial": "Weight of the game; against terms.pixel it decides how much texture is made.",
        "adversarial.terms.matching": "Weight of the discriminator's features, compared with the truth's.",
        "adversarial.terms.texture": "Weight of their Gram matrices.",
        "adversarial.terms.consistency": "Weight of the image, degraded again, against the measurement.",
        "adversarial.terms.gradient": "Weight of Sobel gradients.",
        "adversarial.terms.frequency": "Weight of the amplitude spectrum.",
        "adversarial.terms.spectrum": "Weight of the energy by ring of frequencies; the surest way to the truth's sharpness.",
        "adversarial.terms.content": "Weight of VGG19's features; needs adversarial.vgg.",
        "adversarial.terms.variation": "Weight of the image's total variation over the truth's.",
        "adversarial.vgg": "File or https address with weights of VGG19.",
        "adversarial.vgg_sha256": "Its hash; other weights are refused.",
        "adversarial.vgg_layer": "The convolution of VGG19 whose features are compared.",
        "adversarial.psnr_loss_db": "PSNR that may be lost, in decibels; more is a collapse.",
    },
    "Spread and interval": {
        "spread.tail": "What the head learns: light, the mean size of errors; heavy, a Laplace scale, to hold more of the largest errors.",
        "spread.steps": "Steps of the head that says how large errors are.",
        "spread.rate": "Its peak learning rate.",
        "calibration.alpha": "Share of an image's pixels that may lie outside the interval.",
        "calibration.delta": "Share of new groups (places, patients) for which that may fail.",
        "calibration.gamma": "Risk that the calibration images misled us about both.",
        "calibration.estimator": "What says how large errors are: the head, a heuristic fitted on validation images, or the self-ensemble.",
        "calibration.ensemble": "Runs on the turned image whose mean is the result: 1 (none), 4 (flips), 8 (turns, too).",
    },
}


def groups() -> tuple[Group, ...]:
    """Give every setting of the recipe by group; one that has no words yet comes last."""
    facts = _facts(Recipe, "")
    made = [(heading, tuple(Setting(name, *facts.pop(name), text) for name, text in words.items())) for heading, words in WORDS.items()]
    rest = tuple(Setting(name, *fact, "") for name, fact in facts.items())
    return tuple(Group(heading, settings) for heading, settings in (*made, ("Others", rest)) if settings)


def _facts(model: type[BaseModel], prefix: str, given: BaseModel | None = None) -> dict[str, tuple[str, str]]:
    """Give default and choices by dotted name."""
    facts: dict[str, tuple[str, str]] = {}
    for name, field in model.model_fields.items():
        default = getattr(given, name) if given is not None else field.default
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            facts |= _facts(field.annotation, f"{prefix}{name}.", default)
        else:
            facts[prefix + name] = "" if field.is_required() else _text(default), ", ".join(_choices(field.annotation))
    return facts


def _text(value: object) -> str:
    match value:
        case None | ():
            return "none"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple():
            return ",".join(map(str, value))
    return str(value)


def _choices(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    if get_origin(annotation) is Annotated:
        return _choices(get_args(annotation)[0])
    return []
