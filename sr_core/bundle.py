"""A model as a folder: all that is needed to run it, and nothing that could run by itself (no pickle).

`bundle.json` (the card), `weights.safetensors`, `probe.safetensors` (one small pair that loading replays), `training.json` (the
curves); later stages add `calibration.json`, `precision.json`, `evaluation.json` and `card.md`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import safetensors.torch
import torch
from pydantic import Field
from safetensors import SafetensorError
from torch import Tensor

import sr_core
from sr_core.ancestry import TrainedOn
from sr_core.errors import BundleError, SRError, StoreError
from sr_core.networks import Descriptor, SRNet, build
from sr_core.recipe import Recipe
from sr_core.records import Digest, Record
from sr_core.workspace import publish, write_atomic

R = TypeVar("R", bound=Record)
CARD = "bundle.json"
WEIGHTS = "weights.safetensors"
PROBE = "probe.safetensors"
TRAINING = "training.json"
AGAIN = "Fetch the bundle again, or train again."
CALIBRATION = "calibration.json"
FITTED = "filter."  # tensors of the fitted filter: few values that carry most of the image, always kept in float32
PROBE_SIDE = 16  # LR pixels
PROBE_TOLERANCE = 1e-3  # normalised units: float32 on any machine is a hundred times nearer


class CurvePoint(Record):
    """One value of training: its name ("train/loss", "val/psnr_db"), at which step."""

    name: str
    step: int
    value: float


class Curve(Record):
    """How training went."""

    points: tuple[CurvePoint, ...] = ()


class BundleCard(Record):
    """What a caller must know of a model without loading its weights.

    Attributes
    ----------
    descriptor : the network.
    operator : the degradation as JSON text, as in the descriptor.
    mean, std : normalisation of LR pixels, in `unit`.
    bands : names of the training images' bands (a band-wise network takes any others).
    unit : physical unit of pixels in and out.
    valid_range : smallest and largest value that a pixel can have, in `unit`.
    step : quantisation step of the training files, in `unit`; 0 for floating point.
    data_range : range that PSNR and SSIM assume, in `unit`.
    recipe : all settings of the training run.
    data : hash of the patch store; data_summary : the same in words.
    parents : weights hashes of the bundles that training started from.
    software : versions that made it.
    licence, credits : of the training data, as far as they bind the model.
    notes : what a reader should know, one sentence each.
    projection : whether the output is projected onto the measurement.
    noise : standard deviation of the measurement's white noise, in `unit`; 0: none. Projection and its check allow for it.
    perceptual : whether an adversarial phase made it, which trades PSNR for texture; only a recipe of that purpose asks for one.
    trained_on : the groups that it and its parents have learned from; None in cards that do not say.
    weights : hash of the weights; halo : LR pixels of context that a window needs. Both are filled in by `Bundle.save`.
    """

    descriptor: Descriptor
    operator: str
    mean: float
    std: float
    bands: tuple[str, ...]
    unit: str
    valid_range: tuple[float, float]
    step: float
    data_range: float
    recipe: Recipe
    data: Digest
    data_summary: str
    parents: tuple[Digest, ...]
    software: str
    licence: str
    credits: tuple[str, ...]
    notes: tuple[str, ...]
    projection: bool = True
    noise: float = Field(default=0.0, exclude_if=lambda noise: not noise)
    perceptual: bool = False
    trained_on: TrainedOn | None = Field(default=None, exclude_if=lambda groups: groups is None)
    weights: Digest = ""
    halo: int = 0

    @property
    def normalisation(self) -> Digest:
        """Give the sha256 of the constants between file and network: mean, std, unit, valid range, step and noise."""
        body = [float(self.mean), float(self.std), self.unit, [float(end) for end in self.valid_range], float(self.step), float(self.noise)]
        return hashlib.sha256(json.dumps(body).encode()).hexdigest()


@dataclass(frozen=True)
class Bundle:
    """A model folder in memory: its card, its network (in evaluation mode, on the CPU) and the hash of its weights.

    `calibration_text` is the raw `calibration.json`, None where there is none yet.
    """

    folder: Path
    card: BundleCard
    net: SRNet
    weights_hash: Digest
    calibration_text: str | None = None

    @classmethod
    def save(cls, folder: Path, card: BundleCard, net: SRNet, curve: Curve) -> Bundle:
        """Write a bundle; nothing is at `folder` until all of it is.

        Parameters
        ----------
        folder : must not exist yet.
        card : `weights` and `halo` are filled in here; whether there is a spread head, and which, is taken from the network. Its
            recipe says in which type weights are stored: the bundle's network is that of the stored weights, loaded as float32.
        net : its weights are written from whatever device they are on.
        curve : how training went.

        Raises
        ------
        BundleError
            If the folder exists, the card describes another network, or a weight is beyond the type's range.
        """
        if folder.exists():
            raise BundleError(f"{folder} exists", "a free place for a bundle", "Give another folder, or remove it.")
        described = card.descriptor.model_copy(update={"spread": net.descriptor.spread, "tail": net.descriptor.tail})
        if described != net.descriptor or card.operator != net.descriptor.operator:
            raise BundleError("a card that describes another network", "the network's own descriptor and operator", "Take net.descriptor.")
        tensors = {name: _stored(name, tensor, card.recipe.storage) for name, tensor in net.state_dict().items()}
        digest = weights_hash(tensors)
        complete = card.model_copy(update={"descriptor": net.descriptor, "weights": digest, "halo": net.halo})
        # The network is built anew from what is written, so that what is saved is what will be loaded.
        written = _network(complete.descriptor, tensors, str(folder))
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            write_atomic(partial / WEIGHTS, safetensors.torch.save(tensors))
            lr = probe_input(complete.descriptor.channels)
            write_atomic(partial / PROBE, safetensors.torch.save({"lr": lr, "sr": _replay(written, lr)}))
            write_atomic(partial / TRAINING, curve.to_json().encode())
            write_atomic(partial / CARD, complete.to_json().encode())
            publish(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return cls(folder, complete, written, digest)

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """Read a bundle, verify its weights' hash and replay its probe.

        Raises
        ------
        BundleError
            If a file is missing or damaged, of a newer schema, or the network does not give the stored result here.
        """
        card = read_card(folder)
        tensors = _tensors(folder / WEIGHTS)
        digest = weights_hash(tensors)
        if digest != card.weights:
            raise BundleError(
                f"{folder / WEIGHTS} has hash {digest[:12]}", f"{card.weights[:12]}, as {CARD} says",
                "The weights were changed or damaged: fetch the bundle again, or train again.",
            )  # fmt: skip
        net = _network(card.descriptor, tensors, str(folder))
        probe = _tensors(folder / PROBE)
        if set(probe) != {"lr", "sr"}:
            raise BundleError(f"{folder / PROBE} holds {sorted(probe)}", "lr and sr", AGAIN)
        difference = float((_replay(net, probe["lr"]) - probe["sr"]).abs().max())
        if not difference <= PROBE_TOLERANCE:
            raise BundleError(
                f"{folder}: the stored probe comes out {difference:.3g} away from what was stored", f"at most {PROBE_TOLERANCE:g}",
                f"Install the versions that made it: {card.software}.",
            )  # fmt: skip
        calibration = folder / CALIBRATION
        text = calibration.read_text(encoding="utf-8") if calibration.is_file() else None
        return cls(folder, card, net, digest, text)

    def curve(self) -> Curve:
        """Read how training went.

        Raises
        ------
        BundleError
            If `training.json` is missing or damaged.
        """
        return _record(self.folder / TRAINING, Curve)


def software() -> str:
    """Give the versions that a bundle is made with, in words."""
    return f"sr-trust {sr_core.__version__}, torch {torch.__version__}"


def weights_hash(tensors: dict[str, Tensor]) -> Digest:
    """Hash tensors by content: names, types, shapes and bytes, in the order of names; the file around them does not count."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _stored(name: str, tensor: Tensor, storage: str) -> Tensor:
    """Give a tensor as it is kept: float16 where the recipe says so, but for the fitted filter."""
    whole = tensor.detach().cpu().contiguous()
    if storage == "float32" or name.startswith(FITTED) or not whole.is_floating_point():
        return whole
    rounded = whole.half()
    if not rounded.isfinite().all():
        largest = f"{name} holds values up to {float(whole.abs().max()):.3g}"
        raise BundleError(largest, f"finite ones of at most {torch.finfo(torch.float16).max:g}", "Set storage=float32.")
    return rounded


def probe_input(channels: int) -> Tensor:
    """Give the fixed picture that a bundle is tried on: waves and an edge, normalised, (1, channels, 16, 16)."""
    row, col = torch.meshgrid(torch.arange(PROBE_SIDE), torch.arange(PROBE_SIDE), indexing="ij")
    bands = [torch.sin(0.9 * row + c) * torch.cos(0.7 * col) + (col > row).float() for c in range(channels)]
    return torch.stack(bands)[None].float()


def _replay(net: SRNet, lr: Tensor) -> Tensor:
    with torch.inference_mode():
        sr: Tensor = net(lr)
    return sr.clone().contiguous()


def _network(descriptor: Descriptor, tensors: dict[str, Tensor], where: str) -> SRNet:
    try:
        net = build(descriptor)
        net.load_state_dict(tensors)
    except (RuntimeError, SRError) as error:
        raise BundleError(f"{where}: weights that do not fit ({error})", "those of its descriptor", AGAIN) from error
    return net.eval()


def read_card(folder: Path) -> BundleCard:
    """Read what a bundle says of itself, without its weights.

    Raises
    ------
    BundleError
        If there is no bundle, or its card is damaged.
    """
    if not folder.is_dir():
        raise BundleError(f"no folder {folder}", "a model folder", "Check the path, or train a model: sr train --help.")
    card = _record(folder / CARD, BundleCard)
    if card.operator != card.descriptor.operator:
        raise BundleError(f"{folder / CARD} names two operators", "one", AGAIN)
    return card


def _record(path: Path, kind: type[R]) -> R:
    try:
        return kind.from_json(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        raise _missing(path) from error
    except UnicodeDecodeError as error:
        raise BundleError(f"{path} is not text ({error.reason})", f"a {kind.__name__} record", "Fetch the bundle again.") from error
    except StoreError as error:
        remedy = error.remedy if "newer" in error.remedy else AGAIN
        raise BundleError(error.given, error.expected, remedy) from error


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(path.read_bytes())
    except FileNotFoundError as error:
        raise _missing(path) from error
    except SafetensorError as error:
        raise BundleError(f"{path} does not read ({error})", "a safetensors file", AGAIN) from error


def _missing(path: Path) -> BundleError:
    return BundleError(f"no file {path.name} in {path.parent}", "a complete model folder", AGAIN)
