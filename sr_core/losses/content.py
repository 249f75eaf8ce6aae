"""The distance of two pictures in the features of VGG19 (content or perceptual loss).

The network is written out here; its weights are a file that the caller names, with its sha256. They were learnt on ImageNet, from
photographs of things: what they say of other imagery is not known.
"""

from __future__ import annotations

import hashlib
import pickle
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as functional
from safetensors import SafetensorError
from torch import Tensor, nn

from sr_core.errors import InputError, ShapeError
from sr_core.losses.shapes import image_batch, same

STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # width and convolutions of each of the five, a 2 x 2 maximum between them
MEAN = (0.485, 0.456, 0.406)  # of ImageNet's red, green and blue, 0..1
STD = (0.229, 0.224, 0.225)
WAIT_S = 60


def layer_names() -> list[str]:
    """List the convolutions, "conv1_1" to "conv5_4"."""
    return [f"conv{stage}_{number}" for stage, (_, count) in enumerate(STAGES, 1) for number in range(1, count + 1)]


class Vgg19(nn.Module):
    """The convolutions of VGG19 up to one of them.

    Parameters
    ----------
    layer : the last convolution; "conv5_4" is SRGAN's VGG54, "conv2_2" its VGG22.
    activated : whether a ReLU follows it, as in SRGAN; ESRGAN takes the features before.

    Notes
    -----
    The state dict's names are those of the usual files, `features.<n>.weight` and `.bias`, n counting every convolution, ReLU and maximum.

    References
    ----------
    Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015, arXiv:1409.1556, table 1, E.
    """

    def __init__(self, layer: str = "conv5_4", activated: bool = False) -> None:
        super().__init__()
        if layer not in layer_names():
            raise InputError(f"layer {layer!r}", f"one of {', '.join(layer_names())}", "SRGAN takes conv5_4.")
        self.activated = activated
        steps: list[nn.Module] = []
        stage, number = int(layer[4]), int(layer[6])
        inputs = 3
        for index, (width, count) in enumerate(STAGES[:stage], 1):
            for _ in range(number if index == stage else count):
                steps += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
                inputs = width
            if index < stage:
                steps.append(nn.MaxPool2d(2))
        self.least = 2 ** (stage - 1)  # pixels a side
        self.features = nn.Sequential(*(steps if activated else steps[:-1]))

    def forward(self, x: Tensor) -> Tensor:
        """Give the features of normalised pictures (N, 3, H, W)."""
        made: Tensor = self.features(x)
        return made


class ContentLoss(nn.Module):
    """The mean squared distance of two images' VGG19 features.

    Parameters
    ----------
    weights : tensors by name, as `read_weights` gives them; what the layers do not need is left out.
    data_range : the values that black and white have, in the images' unit: they become 0 and 1.
    layer, activated : see `Vgg19`.

    Raises
    ------
    InputError
        If a weight is missing or has another shape, or the range is empty.

    References
    ----------
    Johnson, Alahi, Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", ECCV 2016,
    doi:10.1007/978-3-319-46475-6_43; Ledig et al., CVPR 2017, doi:10.1109/CVPR.2017.19, equation 5.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, weights: Mapping[str, Tensor], data_range: tuple[float, float] = (0.0, 1.0), layer: str = "conv5_4", activated: bool = False
    ) -> None:
        super().__init__()
        self.low, self.high = data_range
        if not self.low < self.high:
            raise InputError(f"a data range from {self.low:g} to {self.high:g}", "a smaller and a larger value", "Give black, then white.")
        self.network = Vgg19(layer, activated)
        wanted = self.network.state_dict()
        for name, tensor in wanted.items():
            if name not in weights or weights[name].shape != tensor.shape:
                found = f"of shape {tuple(weights[name].shape)}" if name in weights else "missing"
                raise InputError(
                    f"VGG19 weight {name} {found}", f"shape {tuple(tensor.shape)}", "Give the weights of VGG19 without batch norm."
                )
        self.network.load_state_dict({name: weights[name] for name in wanted})
        self.network.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def features(self, x: Tensor) -> Tensor:
        """Give the features (N, C', H', W') of images (N, 1 or 3, H, W) in the unit of `data_range`; one band stands for all three.

        Raises
        ------
        ShapeError
            If there are other than 1 or 3 bands, or too few pixels for the layer.
        """
        image_batch(x, self.network.least)
        if x.shape[1] not in (1, 3):
            raise ShapeError(f"{x.shape[1]} bands", "1 or 3, as pictures have", "Give the bands one by one, or red, green and blue.")
        unit = (x - self.low) / (self.high - self.low)
        made: Tensor = self.network((unit.expand(-1, 3, -1, -1) - self.mean) / self.std)
        return made

    def forward(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Give the distance, a scalar tensor; nothing flows back through `target`."""
        same(predicted, target)
        with torch.no_grad():
            real = self.features(target)
        return functional.mse_loss(self.features(predicted), real)


def read_weights(source: str | Path, sha256: str) -> dict[str, Tensor]:
    """Read tensors by name from a safetensors file, or from a state dict of PyTorch (no code in it is run), after checking its hash.

    Parameters
    ----------
    source : a path, or an https address.
    sha256 : of the file, 64 hexadecimal digits.

    Raises
    ------
    InputError
        If it cannot be fetched or read, is another file than promised, or holds other things than tensors.
    """
    text = str(source)
    if not text.startswith("https://"):
        return _read(Path(text), sha256)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights"
        try:
            with urllib.request.urlopen(text, timeout=WAIT_S) as answer, path.open("wb") as file:
                while block := answer.read(1 << 20):
                    file.write(block)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{text} cannot be fetched ({error})", "a file at that address", "Fetch it by hand and give its path."
            ) from error
        return _read(path, sha256)


def _read(path: Path, sha256: str) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} does not read ({error.strerror})", "a file of weights", "Check the path.") from error
    if found != sha256.lower():
        raise InputError(
            f"{path.name} has sha256 {found[:12]}", f"{sha256[:12]}, as was promised", "Fetch the file again, or check its hash."
        )
    try:
        return safetensors.torch.load_file(path)
    except SafetensorError:
        pass
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise InputError(
            f"{path.name} holds no plain weights", "safetensors, or a state dict of tensors", "Save them as safetensors."
        ) from error
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise InputError(f"{path.name} holds other things than tensors by name", "a plain state dict", "Save net.state_dict() alone.")
    return dict(tensors)
