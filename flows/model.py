"""The MLflow model: a bundle behind `predict`, kept as this file's text (models from code) and never as a pickle.

It needs the installed `sr_core`; the version's tags say which one made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

if TYPE_CHECKING:
    from sr_core.stages.restore import Restorer

Float32Array = npt.NDArray[np.float32]


class BundleModel(PythonModel):
    """Gives the same pixels and half-widths as the library.

    `predict` takes float32 (N, C, H, W) in the bundle's physical unit, NaN where there is no measurement, and gives
    `{"sr": (N, C, sH, sW), "half_width": (N, C, sH, sW)}`, float32, same unit; NaN where there is no measurement, and in
    `half_width` wherever there is no claim.
    """

    def load_context(self, context: Any) -> None:
        """Load the bundle once."""
        from sr_core.stages.restore import Restorer

        self.restorer: Restorer = Restorer(Path(context.artifacts["bundle"]))

    # Without a hint, and with most hints, MLflow warns or converts the array; this one it takes as it is.
    def predict(self, context: Any, model_input: np.ndarray, params: Any = None) -> Any:
        """Upscale a batch of images.

        Raises
        ------
        sr_core.errors.ShapeError
            If the batch is not (N, C, H, W), or C is not what the bundle takes. (No message holds a pixel value.)
        sr_core.errors.InputError
            If parameters are given, or the values are not float32.
        """
        _refuse_parameters(params)
        batch = _checked(model_input, self.restorer)
        results = [self._one(image) for image in batch]
        return {"sr": np.stack([sr for sr, _ in results]), "half_width": np.stack([width for _, width in results])}

    def _one(self, image: Float32Array) -> tuple[Float32Array, Float32Array]:
        mask = np.asarray(np.isfinite(image).all(axis=0))
        restored = self.restorer.restore(np.ascontiguousarray(image), mask)
        if mask.all():
            return restored.sr, restored.half_width
        scale = self.restorer.scale
        measured = np.repeat(np.repeat(mask, scale, axis=0), scale, axis=1)
        hole = np.float32(np.nan)
        return np.where(measured, restored.sr, hole), np.where(measured, restored.half_width, hole)


def _refuse_parameters(params: Mapping[str, object] | None) -> None:
    from sr_core.errors import InputError

    if params:
        raise InputError(f"parameters {sorted(params)}", "none", "Call predict with the array only.")


def _checked(model_input: Any, restorer: Restorer) -> Float32Array:
    from sr_core.errors import InputError, ShapeError

    batch = np.asarray(model_input)
    if batch.ndim != 4 or 0 in batch.shape:
        raise ShapeError(f"input of shape {batch.shape}", "(N, C, H, W), no side 0", "Add the missing axes: array[None] for one image.")
    if batch.dtype != np.float32:
        raise InputError(
            f"input of type {batch.dtype}", "float32, in the bundle's physical unit", "Convert it with array.astype('float32')."
        )
    descriptor = restorer.card.descriptor
    if not descriptor.bandwise and batch.shape[1] != descriptor.channels:
        raise ShapeError(
            f"input of {batch.shape[1]} bands", f"{descriptor.channels} bands", "Give the bands that the model was trained on, in order."
        )
    return batch


set_model(BundleModel())
