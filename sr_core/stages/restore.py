"""One measurement to one delivered image: network, projection, valid range, interval. Every consumer goes through here."""

from __future__ import annotations

from copy import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sr_core.errors import BundleError
from sr_core.raster import BoolArray, Float32Array
from sr_core.records import Digest
from sr_core.stages.regions import check_no_holes, check_whole
from sr_core.stages.standard import STANDARD_SCORE, moments_of

if TYPE_CHECKING:
    from sr_core.inference.predictor import SpreadFrom
    from sr_core.networks import SRNet
    from sr_core.operators import Operator
    from sr_core.raster import Scene
    from sr_core.recipe import EstimatorName
    from sr_core.trust.calibration import Calibration
    from sr_core.trust.heuristic import Heuristic
    from sr_core.trust.verdict import Claim

WHOLE = 1 << 30  # LR pixels: more than any image has
HEURISTIC, SELF_ENSEMBLE = "heuristic", "self-ensemble"  # estimators that are no part of the network
PINV_TOLERANCE = 1e-6  # relative tail of the projection's response that a window may lose


@dataclass(frozen=True)
class Restored:
    """A delivered image: `sr` and `half_width` (C, sH, sW), `spread` uncalibrated; physical unit, float32.

    `half_width` is NaN wherever the calibration gives no interval, and `spread` where the model has no estimate.
    """

    sr: Float32Array
    half_width: Float32Array
    spread: Float32Array


@dataclass(frozen=True)
class _Identity:
    """What a bundle is, whatever scene it is expressed for and however it is run."""

    weights: Digest
    operator: Digest
    normalisation: Digest

    def check(self, calibration: Calibration, folder: Path) -> None:
        """Refuse a calibration that was made of something else: such a bundle was put together of parts that do not belong together."""
        from sr_core.bundle import CALIBRATION

        if differences := calibration.misfit(**asdict(self)):
            raise BundleError(
                f"{folder / CALIBRATION} was made with {differences}", "the bundle's own calibration",
                "Fetch the bundle again, or calibrate it again without that file.",
            )  # fmt: skip


class Restorer:
    """A bundle made ready to run.

    Parameters
    ----------
    folder : a bundle; with `calibration.json` it gives intervals.
    precision : "auto" (the one that was calibrated; without a calibration, bfloat16 where the device gains; never one that was measured
        and refused), "float32", "bfloat16" or, on CUDA, "float16".
    tile : side of the tiles in which the network runs, LR pixels; None: as the predictor sees fit.
    strip : LR columns that pass through the network at once in a large image; None: all of them.
    ensemble : 1, 4 or 8: runs of the network on the image turned and mirrored, whose mean is taken (`inference.ensemble`); None: as
        the model was calibrated, without a calibration 1.
    estimator : what says how large errors are (`recipe.CalibrationPlan`); None: as the model was calibrated, without a calibration its
        head. A model without a head takes the heuristic.

    Attributes
    ----------
    calibration : the bundle's calibration, or None where it does not hold for the model as it is run.
    uncalibrated : why there is none, as a clause; "" where there is one.
    estimator : what says how large errors are, in the words of `Settings`.
    heuristic : its line where that is the heuristic and it is fitted; else None.
    refused : number formats that the bundle's precision gate refused.
    unit_size : size of the calibration's unit in that of the image at hand.
    withdrawn : why the calibration does not hold for the image at hand, as a clause; "" where it does.

    Raises
    ------
    BundleError
        If the bundle cannot be read, or its calibration is of other weights, another degradation or other normalisation.
    InputError
        If there is no such precision or ensemble, or the standard deviation of a single run is wanted.
    """

    def __init__(
        self,
        folder: Path,
        precision: str = "auto",
        device: str | None = None,
        tile: int | None = None,
        strip: int | None = None,
        ensemble: int | None = None,
        estimator: EstimatorName | None = None,
    ) -> None:
        from sr_core.bundle import CALIBRATION, Bundle
        from sr_core.inference import Predictor
        from sr_core.networks.precision import choose_precision, training_device
        from sr_core.operators import operator_from
        from sr_core.trust.calibration import Calibration
        from sr_core.trust.precision import load_gate

        self.device = device or training_device()
        self.bundle = Bundle.load(folder)
        self.card = self.bundle.card
        self.operator = operator_from(self.card.operator)
        text = self.bundle.calibration_text
        calibration = None if text is None else Calibration.from_json(text, str(folder / CALIBRATION))
        self._identity = _Identity(self.bundle.weights_hash, self.operator.digest(), self.card.normalisation)
        if calibration is not None:
            self._identity.check(calibration, folder)
        gate = load_gate(folder)
        self.refused = gate.refused(self.bundle.weights_hash) if gate is not None else ()
        if precision == "auto" and calibration is not None and calibration.settings.precision not in self.refused:
            precision = calibration.settings.precision
        self.precision = str(choose_precision(precision, self.device, self.refused)).removeprefix("torch.")
        if ensemble is None:
            ensemble = calibration.settings.ensemble if calibration is not None else 1
        if estimator is None:
            estimator = _calibrated_estimator(calibration, ensemble)
        if estimator == "head" and not self.card.descriptor.spread:
            estimator = "heuristic"
        spread_from: SpreadFrom = "none" if estimator == "heuristic" else estimator
        self.predictor = Predictor(self.bundle, self.precision, tile, self.device, strip, ensemble, spread_from)
        self.estimator: str = (self.card.descriptor.estimator or "heuristic") if estimator == "head" else estimator
        self._take(calibration)
        self.unit_size = 1.0
        self.withdrawn = ""

    def _take(self, calibration: Calibration | None) -> None:
        """Take a calibration, if it holds for the model as it is run here, and the line of its heuristic, if that is the estimator."""
        self.calibration = self._calibration_of(calibration)
        self.heuristic = calibration.heuristic if calibration is not None and self.estimator == HEURISTIC else None
        if self.calibration is not None and self.estimator == HEURISTIC and self.heuristic is None:
            self.calibration, self.uncalibrated = None, "its calibration lacks the line of the heuristic"

    def _calibration_of(self, calibration: Calibration | None) -> Calibration | None:
        """Keep a calibration only if it holds for the model as it is run here."""
        if calibration is None:
            self.uncalibrated = "there is no calibration"
            return None
        self.uncalibrated = calibration.mismatch(
            **asdict(self._identity), projection=self.card.projection, precision=self.precision, estimator=self.estimator,
            ensemble=self.predictor.ensemble.size,
        )  # fmt: skip
        return None if self.uncalibrated else calibration

    def calibrated_by(self, calibration: Calibration) -> Restorer:
        """Give the same model with another calibration, or with none where that does not hold for it."""
        other = copy(self)
        other._take(calibration)
        return other

    def with_heuristic(self, heuristic: Heuristic) -> Restorer:
        """Give the same model with a heuristic that is fitted but not yet calibrated."""
        other = copy(self)
        other.heuristic = heuristic
        return other

    def outside(self, reason: str) -> Restorer:
        """Give the same model for an image that its calibration does not hold for: without a claim, and with an interval of NaN."""
        other = copy(self)
        other.withdrawn = reason
        return other

    def in_strips(self, strip: int) -> Restorer:
        """Give the same model, made ready for images too wide for the memory: in strips of so many LR columns."""
        other = copy(self)
        other.predictor = self.predictor.in_strips(strip)
        return other

    def reading_as(self, other: Restorer) -> Restorer:
        """Give this model as another one's rival on that one's images: their degradation, normalisation and range; without an interval.

        Where both are of the same unit and range, its own normalisation stays.
        """
        from sr_core.inference import Predictor

        theirs = other.card
        same = (self.card.unit, self.card.valid_range) == (theirs.unit, theirs.valid_range)
        constants = {} if same else {"mean": theirs.mean, "std": theirs.std, "unit": theirs.unit, "valid_range": theirs.valid_range}
        rival = copy(self)
        card = self.card.model_copy(update={**constants, "step": theirs.step, "noise": theirs.noise, "projection": theirs.projection})
        rival.bundle = replace(self.bundle, card=card)
        rival.card, rival.operator = card, other.operator
        rival.predictor = Predictor(rival.bundle, self.precision, None, self.device)
        rival.calibration, rival.uncalibrated = None, "it reads another model's images"
        return rival

    @property
    def any_unit(self) -> bool:
        """Whether images of any unit are taken: the model works on standard scores."""
        return self.card.unit == STANDARD_SCORE

    def for_scene(self, scene: Scene) -> Restorer:
        """Give the same model in the unit of a scene, where it works on standard scores; any other model as it is.

        Every value of the model in standard scores becomes `mean + std * value` of the scene, so that nothing is converted pixel by pixel;
        range and quantisation step are those of the scene's file.
        """
        if not self.any_unit or scene.unit == STANDARD_SCORE:
            return self
        moments, card, encoding = moments_of(scene), self.card, scene.encoding
        other = copy(self)
        other.card = card.model_copy(
            update={
                "mean": moments.mean + moments.std * card.mean, "std": moments.std * card.std, "data_range": moments.std * card.data_range,
                "noise": moments.std * card.noise, "unit": scene.unit, "valid_range": encoding.valid_range, "step": encoding.step,
            }
        )  # fmt: skip
        other.bundle = replace(self.bundle, card=other.card)
        other.predictor = self.predictor.of(other.bundle)
        other.unit_size = moments.std
        return other

    @property
    def scale(self) -> int:
        """SR pixels per LR pixel, per axis."""
        return self.card.descriptor.scale

    @property
    def windowed(self) -> bool:
        """Whether an image may be restored in windows, by degradation and network; where not, `margin` reaches over any image."""
        return self.operator.windowed and self.bundle.net.tileable

    @property
    def margin(self) -> int:
        """LR pixels of context that a window needs on each side to come out as in the whole image, where no pixel in it is unmeasured."""
        return self.predictor.halo + self.delivery_reach if self.windowed else WHOLE

    @property
    def delivery_reach(self) -> int:
        """LR pixels around a window of the network's output that what is delivered of it depends on: image, residual and interval."""
        if not self.windowed or self.heuristic is None:
            return self.projection_reach
        from sr_core.trust.heuristic import reach

        return self.projection_reach + max(reach(operator) for operator in self.operator.for_bands(self.operator.bands or 1))

    @property
    def projection_reach(self) -> int:
        """LR pixels around a window of the network's output that its projection depends on, and its residual."""
        if not self.windowed:
            return WHOLE
        if not self.card.projection:
            return 0
        from sr_core.operators.projection import NEAR

        near = NEAR if self.card.noise else 0  # over which the power of the residual is averaged
        return int(self.operator.pinv_halo(PINV_TOLERANCE) + near + -(-self.operator.support // self.scale))

    def restore(self, y: Float32Array, mask: BoolArray) -> Restored:
        """Upscale a measurement.

        Parameters
        ----------
        y : float32 (C, H, W), physical unit of the bundle.
        mask : bool (H, W), True = measured.

        Raises
        ------
        ShapeError
            If the degradation differs from band to band, and there are not as many bands, or sees whole images only, and this one is
            too large for one piece.
        InputError
            If the degradation sees whole images only, and this one has holes.
        """
        self.operator.for_bands(len(y))
        self.check_whole(mask)
        filled = self.predictor.fill(y, mask)
        prediction = self.predictor.predict(filled)
        delivered = self.delivered(prediction.mean, filled, self.operator)
        spread = self.spread_of(prediction.spread, delivered, filled, self.operator)
        return Restored(delivered, self.half_width(spread), spread)

    def check_whole(self, mask: BoolArray) -> None:
        """Refuse what an operator cannot take that sees whole images only: holes, and images too large for one piece."""
        if not self.operator.windowed:
            check_no_holes(mask, self.operator)
            check_whole(mask.shape[0] * self.scale, mask.shape[1] * self.scale, self.operator)

    def spread_of(self, predicted: Float32Array | None, delivered: Float32Array, filled: Float32Array, operator: Operator) -> Float32Array:
        """Give the spread of delivered bands, float32 (C, s h, s w); NaN where the model has no estimate.

        Parameters
        ----------
        predicted : what the predictor says of it; None where it says nothing.
        delivered, filled : float32 (C, s h, s w) and (C, h, w), physical unit; every pixel of the measurement filled.
        operator : the degradation of these bands.
        """
        if predicted is not None:
            return predicted
        if self.heuristic is None:
            return np.full_like(delivered, np.nan)
        return self.heuristic.spread(delivered, filled, operator, self.unit_size)

    def half_width(self, spread: Float32Array) -> Float32Array:
        """Give the half-width of the interval, NaN where there is no calibration, or none that holds for this image."""
        if self.calibration is None or self.withdrawn:
            return np.full_like(spread, np.nan)
        if self.unit_size == 1.0:
            return self.calibration.half_width(spread)
        size = np.float32(self.unit_size)
        return self.calibration.half_width(spread / size) * size

    def spread_under(self, half_width: Float32Array) -> Float32Array | None:
        """Give the spread that a half-width was made of, in the unit of the image at hand; None where there is no interval."""
        if self.calibration is None or np.isnan(half_width).all():
            return None
        size = np.float32(self.unit_size)
        return self.calibration.spread(half_width / size) * size

    def delivered(
        self, mean: Float32Array, filled: Float32Array, operator: Operator, valid_range: tuple[float, float] | None = None
    ) -> Float32Array:
        """Give what is delivered of the network's output: projected onto the measurement, if this bundle projects.

        Parameters
        ----------
        mean, filled : float32 (C, s h, s w) and (C, h, w), physical unit; every pixel of the measurement filled.
        operator : the degradation of these bands.
        valid_range : what the file at hand can hold, where that is less than the bundle's range.
        """
        if not self.card.projection:
            return mean
        import torch

        image, y = (torch.from_numpy(np.ascontiguousarray(array)) for array in (mean, filled))
        low, high = self.card.valid_range
        if valid_range is not None:
            low, high = max(low, valid_range[0]), min(high, valid_range[1])
        return operator.project(image, y, (low, high), self.card.step, self.card.noise).numpy()

    def project(self, sr: Float32Array, y: Float32Array, mask: BoolArray) -> Float32Array:
        """Give the nearest image that explains the measurement and stays in the valid range (float32, physical unit)."""
        import torch

        image, filled = (torch.from_numpy(np.ascontiguousarray(array)) for array in (sr, self.predictor.fill(y, mask)))
        return self.operator.project(image, filled, self.card.valid_range, self.card.step, self.card.noise).numpy()

    def base_of(self, net: SRNet, y: Float32Array, mask: BoolArray) -> Float32Array:
        """Give what a network's base alone (the fitted linear filter) makes of a measurement, projected like the model's own output.

        `net` is this bundle's network, or one of the same normalisation.
        """
        import torch

        card = self.card
        filled = self.predictor.normalised(self.predictor.fill(y, mask))
        with torch.inference_mode():
            base = net.base(filled)[0].cpu().numpy()
        physical = base * np.float32(card.std) + np.float32(card.mean)
        return self.project(physical, y, mask) if card.projection else physical

    def claim(self, group_kind: str) -> Claim:
        """Give what may be said of the intervals of this model as it is run."""
        from sr_core.trust.claim import no_claim, withdraw

        if self.calibration is not None:
            claim = self.calibration.claim()
            return withdraw(claim, self.withdrawn) if self.withdrawn else claim
        return no_claim(self.uncalibrated, group_kind=group_kind, operator=self.operator.digest())

    @property
    def cautions(self) -> tuple[str, ...]:
        """Sentences that hold of every image of this model: that a perceptual one makes detail up."""
        from sr_core.trust.verdict import MADE_UP

        return (MADE_UP,) if self.card.perceptual else ()

    @property
    def invisible_size_px(self) -> float | None:
        """Smallest object (FWHM, HR px) that the measurement vouches for; None where there is none."""
        from sr_core.trust.consistency import smallest_vouched_size

        return smallest_vouched_size(self.operator)


def _calibrated_estimator(calibration: Calibration | None, ensemble: int) -> EstimatorName:
    """Name the estimator that a calibration is of, where the model can be run with it; else the head."""
    name = None if calibration is None else calibration.settings.estimator
    if name == HEURISTIC:
        return "heuristic"
    return "self-ensemble" if name == SELF_ENSEMBLE and ensemble > 1 else "head"


def upscale_array(folder: Path, y: Float32Array, mask: BoolArray | None = None, precision: str = "auto") -> Restored:
    """Upscale one array with the bundle in `folder`: the shortest way in for a notebook."""
    return Restorer(folder, precision).restore(y, np.ones(y.shape[1:], bool) if mask is None else mask)
