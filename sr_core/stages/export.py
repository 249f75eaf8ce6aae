"""Export: a bundle's network as one ONNX file, for runtimes without PyTorch, held against the network before it is written."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sr_core.errors import InputError, OutputError
from sr_core.raster import Float32Array
from sr_core.trust.verdict import MADE_UP
from sr_core.workspace import folder_sha256, write_atomic

if TYPE_CHECKING:
    import onnx

    from sr_core.bundle import Bundle

SUFFIX = ".onnx"
TOLERANCE = 1e-5  # largest difference allowed, as a share of the range of PyTorch's result
ROUNDING = 8 * 2.0**-24  # and, as a share of the values, what float32 rounds away in the few steps of the normalisation
SIDES = ((1, 1), (5, 3), (16, 16), (33, 21))  # LR height and width that are tried: single pixels, smaller than the halo, odd, oblong
INSTALL = "Install it: python -m pip install -c infra/constraints.txt -e '.[onnx]'"
CLAIM = (
    "The network alone. It does not project its result onto the measurement, gives no interval, no verdict and no claim; the spread is an "
    "uncalibrated typical error. For those, upscale with the bundle that this file was made of."
)


@dataclass(frozen=True)
class Exported:
    """An ONNX file: where it is, its outputs, and its largest difference from PyTorch as a share of the range (None: not checked)."""

    path: Path
    outputs: tuple[str, ...]
    difference: float | None

    def says(self) -> str:
        """Say how it was checked."""
        if self.difference is None:
            return "not checked: the package onnxruntime is not installed"
        return f"ONNX Runtime gives what PyTorch gives: largest difference {self.difference:.1e} of the range ({TOLERANCE:g} allowed)"


def export_onnx(folder: Path, target: Path, *, overwrite: bool = False) -> Exported:
    """Write a bundle's network as ONNX: physical unit in, physical unit out, float32.

    Parameters
    ----------
    folder : a bundle.
    target : file to write, `.onnx`; there is nothing before all of it is.
    overwrite : replace what is at the target.

    Returns
    -------
    Exported
        Input `lr` (N, C, h, w), outputs `mean` and, where there is a spread head, `spread` (N, C, s h, s w). N, h, w are free, and C,
        too, for a band-wise network. Holes must be filled by the caller. The file's metadata say what it is, and what it lacks.

    Raises
    ------
    OutputError
        If the target exists, has another suffix, or ONNX Runtime computes something else from it.
    InputError
        If the package onnx is not installed.
    BundleError
        If the bundle cannot be read.
    """
    from sr_core.bundle import Bundle

    _check_target(target, overwrite)
    if importlib.util.find_spec("onnx") is None:
        raise InputError("the package onnx is not installed", "the extra `onnx`", INSTALL)
    bundle = Bundle.load(folder)
    model = model_of(bundle)
    data = model.SerializeToString(deterministic=True)
    difference = difference_from(bundle, data) if importlib.util.find_spec("onnxruntime") is not None else None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, data)
    except OSError as error:
        raise OutputError(f"output {target} ({error.strerror})", "a file that can be written", "Give another --onnx.") from error
    return Exported(target, tuple(value.name for value in model.graph.output), difference)


def _check_target(target: Path, overwrite: bool) -> None:
    if target.suffix.lower() != SUFFIX:
        raise OutputError(f"output {target}", f"a file name that ends in {SUFFIX}", f"Give, for instance, --onnx {target.stem}{SUFFIX}")
    if target.is_dir():
        raise OutputError(f"output {target}, a folder", "a file", "Give another --onnx.")
    if target.exists() and not overwrite:
        raise OutputError(f"output {target} exists", "a free place", "Give another --onnx, or --overwrite.")


def model_of(bundle: Bundle) -> onnx.ModelProto:
    """Give the network as a checked ONNX model with its metadata.

    Raises
    ------
    OperatorError
        If a part of the network has no ONNX form.
    """
    import onnx

    import sr_core
    from sr_core.networks.onnx_graph import IR_VERSION, OPSET, graph_of

    card = bundle.card
    model = onnx.helper.make_model(
        graph_of(bundle.net, card.mean, card.std),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="sr-trust",
        producer_version=sr_core.__version__,
        doc_string=f"{card.descriptor.family} x{card.descriptor.scale}, {card.unit} in and out. {CLAIM}",
    )
    onnx.helper.set_model_props(model, metadata(bundle))
    onnx.checker.check_model(model, full_check=True)
    return model


def metadata(bundle: Bundle) -> dict[str, str]:
    """Give what the file says of itself: names and texts."""
    card, descriptor = bundle.card, bundle.card.descriptor
    return {
        "bundle": folder_sha256(bundle.folder),
        "weights": bundle.weights_hash,
        "family": descriptor.family,
        "scale": str(descriptor.scale),
        "operator": card.operator,
        "unit": card.unit,
        "valid_range": json.dumps(card.valid_range),
        "step": repr(card.step),
        "bands": json.dumps(card.bands),
        "band_wise": "yes: any number of bands, each by itself" if descriptor.bandwise else "no: these bands, in this order",
        "halo": str(card.halo),
        "claim": CLAIM,
        **({"caution": MADE_UP} if card.perceptual else {}),
        "licence": card.licence,
        "credits": json.dumps(card.credits),
        "software": card.software,
    }


def difference_from(bundle: Bundle, data: bytes) -> float:
    """Run a model in ONNX Runtime beside PyTorch (float32) on a few sizes.

    Returns
    -------
    float
        The largest absolute difference of any output, as a share of the range of PyTorch's mean.

    Raises
    ------
    OutputError
        If a difference is beyond 1e-5 of the range and what float32 rounds away of values so far from 0.
    """
    import onnxruntime

    from sr_core.inference import Predictor

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # its warnings about names and providers are none of the user's
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    predictor = Predictor(bundle, "float32")
    worst = 0.0
    for batch in _trials(bundle):
        theirs = dict(zip(names, session.run(names, {session.get_inputs()[0].name: batch}), strict=True))
        ours = [predictor.predict(image) for image in batch]
        mine = {"mean": np.stack([p.mean for p in ours])}
        if all(p.spread is not None for p in ours):
            mine["spread"] = np.stack([p.spread for p in ours if p.spread is not None])
        span, size = float(np.ptp(mine["mean"])), float(np.abs(mine["mean"]).max())
        apart = max(float(np.abs(theirs[name].astype(np.float64) - mine[name]).max()) for name in names)
        if not apart <= TOLERANCE * span + ROUNDING * size:
            raise OutputError(
                f"ONNX Runtime's result for {batch.shape[3]} x {batch.shape[2]} px, {apart / span:.2g} of the range away from PyTorch's",
                f"at most {TOLERANCE:g}", "Nothing was written. Use the bundle itself, or the pinned onnx and onnxruntime.",
            )  # fmt: skip
        worst = max(worst, apart / span)
    return worst


def _trials(bundle: Bundle) -> Iterator[Float32Array]:
    """Yield batches of made-up images of two samples, in the bundle's unit: waves, an edge and grain."""
    card = bundle.card
    bands = 3 if card.descriptor.bandwise else card.descriptor.channels
    grain = np.random.default_rng(0)
    for height, width in SIDES:
        sample, band, row, col = np.ogrid[:2, :bands, :height, :width]
        picture = (
            np.sin(0.9 * row + band) * np.cos(0.7 * col + sample) + (col > row) + 0.1 * grain.standard_normal((2, bands, height, width))
        )
        yield (card.mean + card.std * picture).astype(np.float32)
