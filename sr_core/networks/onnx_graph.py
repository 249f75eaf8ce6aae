"""A network as an ONNX graph, written block by block from the tree; every size stays free.

The tree is walked instead of traced: a trace would keep the branches that PyTorch's kernels need (`convolution.convolve`) and could not
follow the operators' own code. Needs the package onnx (extra `onnx`).

References
----------
ONNX operators, set 17: https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from sr_core.errors import OperatorError
from sr_core.networks.activations import LARGEST_EXPONENT, Activation, LeakyReLU, PReLU, Scale
from sr_core.networks.blocks import Add, Block, Concat, Conv, FixedConv, Repeat, Sequence, Shuffle, TransposedConv, Upscale, halo
from sr_core.networks.convolution import mirrored
from sr_core.networks.net import SRNet

if TYPE_CHECKING:
    import onnx

OPSET = 17  # has all that is needed, and every runtime of the last years reads it
IR_VERSION = 8  # the file format that came with it
INPUT, MEAN, SPREAD = "lr", "mean", "spread"
SIDES = ("height", "width")


def graph_of(net: SRNet, mean: float, std: float) -> onnx.GraphProto:
    """Write a network as a graph from LR to SR, both in the physical unit.

    Parameters
    ----------
    net : its parameters are copied.
    mean, std : normalisation of LR pixels, in their unit.

    Returns
    -------
    onnx.GraphProto
        `lr` float32 (N, C, h, w) to `mean` and, where there is a spread head, `spread`, float32 (N, C, s h, s w). N, h, w are free, and
        C, too, for a band-wise network. `spread` is a typical absolute error, >= 0, uncalibrated.

    Raises
    ------
    OperatorError
        If a block has no ONNX form.
    """
    import onnx

    out = _Writer()
    normalised = out.node("Div", out.node("Sub", INPUT, out.number(mean)), out.number(std))
    folded = out.fold(normalised)
    centre, error = _network(out, net, normalised, folded)
    out.node("Add", out.node("Mul", centre, out.number(std)), out.number(mean), name=MEAN)
    outputs = [MEAN]
    if error is not None:
        out.node("Mul", error, out.number(std), name=SPREAD)
        outputs.append(SPREAD)
    bands = "bands" if net.descriptor.bandwise else net.descriptor.channels
    kind = onnx.TensorProto.FLOAT
    return onnx.helper.make_graph(
        out.nodes,
        "super-resolution",
        [onnx.helper.make_tensor_value_info(INPUT, kind, ["samples", bands, *SIDES])],
        [onnx.helper.make_tensor_value_info(name, kind, ["samples", bands, *(f"sr_{side}" for side in SIDES)]) for name in outputs],
        out.tensors,
    )


def _network(out: _Writer, net: SRNet, normalised: str, folded: str) -> tuple[str, str | None]:
    """Follow `SRNet.forward_spread`; give mean and spread, normalised."""
    up = _write(out, net.upscale, folded)
    detail = None if net.filter is None else _write(out, net.filter, folded)
    base = out.unfold(up if detail is None else out.node("Add", up, detail), like=INPUT)
    head = net.spread_head
    if net.trunk is None or net.tail is None:
        read = detail or out.node("Mul", up, out.number(0.0))
        return base, None if head is None else out.unfold(_write(out, head, read), like=INPUT)
    features = _write(out, net.trunk, folded if net.descriptor.bandwise else normalised)
    mean = out.node("Add", base, out.unfold(_write(out, net.tail, features), like=INPUT))
    return mean, None if head is None else out.unfold(_write(out, head, features), like=INPUT)


def _write(out: _Writer, block: Block, x: str) -> str:
    """Write a block and give the name of its result."""
    match block:
        case Conv():
            return out.conv(x, block.weight, block.bias, block.side // 2)
        case FixedConv():
            return out.conv(out.mirror(x, block.side // 2), block.weight, None, 0)
        case Upscale():
            weights, margin = polyphase(block)
            fine = out.conv(out.mirror(out.fold(x), margin), weights, None, 0)
            return out.unfold(out.shuffle(fine, block.zoom), like=x)
        case TransposedConv():
            return out.transposed_conv(x, block)
        case Activation():
            return _activation(out, block, x)
        case LeakyReLU():
            return out.node("LeakyRelu", x, alpha=block.slope)
        case PReLU():
            return out.node("PRelu", x, out.tensor(block.weight[:, None, None]))
        case Scale():
            return out.node("Mul", x, out.number(block.factor))
        case Shuffle():
            return out.shuffle(x, block.zoom)
        case Repeat():
            return out.repeat(x, block.zoom)
        case Sequence():
            for step in block.steps():
                x = _write(out, step, x)
            return x
        case Add():
            first, *others = [_write(out, branch, x) for branch in block.steps()]
            for other in others:
                first = out.node("Add", first, other)
            return first
        case Concat():
            return out.node("Concat", *[_write(out, branch, x) for branch in block.steps()], axis=1)
        case _:
            raise OperatorError(f"a block {type(block).__name__}", "one that has an ONNX form", "Export another model.")


def _activation(out: _Writer, block: Activation, x: str) -> str:
    match block.kind:
        case "relu":
            return out.node("Relu", x)
        case "softplus":
            return out.node("Softplus", x)
        case "exp":
            return out.node("Exp", out.node("Clip", x, out.number(-LARGEST_EXPONENT), out.number(LARGEST_EXPONENT)))
        case "square":
            return out.node("Mul", x, x)
        case "sqrt":
            return out.node("Sqrt", out.node("Relu", x))


def polyphase(block: Upscale) -> tuple[Tensor, int]:
    """Give an operator's interpolation as one filter a sub-pixel, for mirrored borders and a pixel shuffle.

    Returns
    -------
    float32 tensor (s², 1, k, k)
        Measured: the answer to a single pixel, exact, since the interpolation is linear and the same everywhere.
    int
        k // 2, by which the image is mirrored at its borders.

    Raises
    ------
    OperatorError
        If the operator's interpolation is not of this form.
    """
    margin, zoom = halo(block), block.zoom
    centre = 2 * margin + 1
    line = torch.zeros(1, 1, 2 * centre + 1, 2 * centre + 1, dtype=torch.float64)
    line[..., centre, centre] = 1
    near = slice(centre - margin, centre + margin + 1)
    answer = functional.pixel_unshuffle(block.operator.upscale(line), zoom)[0][:, near, near]
    weights = answer.flip(-1, -2)[:, None]
    rows, cols = torch.meshgrid(torch.arange(3.0), torch.arange(5.0), indexing="ij")
    trial = torch.sin(1.3 * rows + 0.7 * cols * cols).double()[None, None]  # smaller than the filter: all border
    made = functional.pixel_shuffle(functional.conv2d(mirrored(trial, margin), weights), zoom)
    if not torch.allclose(made, block.operator.upscale(trial), rtol=0, atol=1e-9):
        raise OperatorError(
            f"the interpolation of {block.operator.kind}", "a filter with mirrored borders", "Export a model of another degradation."
        )
    return weights.float(), margin


class _Writer:
    """Nodes and constants of a graph in the making; every method gives the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self._known: dict[bytes, str] = {}

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add an operation with one output."""
        import onnx

        result = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, list(inputs), [result], name=result, **attributes))
        return result

    def constant(self, values: NDArray[Any]) -> str:
        """Add a constant; the same one is kept once."""
        import onnx

        key = f"{values.dtype} {values.shape} ".encode() + values.tobytes()
        if key not in self._known:
            self._known[key] = f"constant_{len(self.tensors)}"
            self.tensors.append(onnx.numpy_helper.from_array(values, self._known[key]))
        return self._known[key]

    def number(self, value: float) -> str:
        """Add a float32 number."""
        return self.constant(np.array(value, np.float32))

    def tensor(self, values: Tensor) -> str:
        """Add weights, as float32."""
        return self.constant(np.ascontiguousarray(values.detach().cpu().float().numpy()))

    def whole(self, *values: int) -> str:
        """Add a vector of whole numbers."""
        return self.constant(np.array(values, np.int64))

    def conv(self, x: str, weight: Tensor, bias: Tensor | None, padding: int) -> str:
        """Convolve, zeros beyond the border."""
        parts = [weight] if bias is None else [weight, bias]
        names = [self.tensor(part) for part in parts]
        side = int(weight.shape[-1])
        return self.node("Conv", x, *names, kernel_shape=[side, side], pads=[padding] * 4)

    def transposed_conv(self, x: str, block: TransposedConv) -> str:
        """Convolve transposed; what leaves the image is cut off."""
        return self.node(
            "ConvTranspose", x, self.tensor(block.weight), self.tensor(block.bias),
            kernel_shape=[block.side] * 2, strides=[block.zoom] * 2, pads=[block.padding] * 4, output_padding=[block.uneven] * 2,
        )  # fmt: skip

    def repeat(self, x: str, zoom: int) -> str:
        """Make each pixel a cell of equal ones."""
        factors = self.constant(np.array([1, 1, zoom, zoom], np.float32))
        return self.node("Resize", x, "", factors, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")

    def shuffle(self, x: str, zoom: int) -> str:
        """Turn channels into sub-pixels, in PyTorch's order."""
        return self.node("DepthToSpace", x, blocksize=zoom, mode="CRD")

    def fold(self, x: str) -> str:
        """Make every band a sample of its own: (N, C, h, w) to (N C, 1, h, w)."""
        return self.node("Reshape", x, self._join(self.whole(-1, 1), self.node("Shape", x, start=2)))

    def unfold(self, x: str, like: str) -> str:
        """Undo `fold`: samples and bands as `like` has them."""
        return self.node("Reshape", x, self._join(self.node("Shape", like, start=0, end=2), self.node("Shape", x, start=2)))

    def mirror(self, x: str, margin: int) -> str:
        """Extend by half-sample symmetry, as `blocks.mirrored`, however small the image."""
        if margin == 0:
            return x
        for axis in (2, 3):
            size = self.node("Squeeze", self.node("Shape", x, start=axis, end=axis + 1))
            edge, one, two = (self.constant(np.array(value, np.int64)) for value in (margin, 1, 2))
            period = self.node("Mul", size, two)
            ahead = self.node("Range", self.node("Neg", edge), self.node("Add", size, edge), one)
            place = self.node("Mod", ahead, period)
            back = self.node("Sub", self.node("Sub", period, one), place)
            x = self.node("Gather", x, self.node("Where", self.node("Less", place, size), place, back), axis=axis)
        return x

    def _join(self, *parts: str) -> str:
        return self.node("Concat", *parts, axis=0)
