"""How training goes, in a few words beside its progress."""

from __future__ import annotations

from collections.abc import Sequence

from sr_core.bundle import CurvePoint


def detail(points: Sequence[CurvePoint], curve: str) -> str:
    """Give a phase's newest loss and validation PSNR, as far as there are any: "loss 0.8123, 33.41 dB".

    Parameters
    ----------
    points : the curve so far, in order.
    curve : first part of the phase's metrics' names.
    """
    words = []
    if loss := _last(points, f"{curve}/loss"):
        words.append(f"loss {loss.value:.4g}")
    if psnr := _last(points, "val/psnr_db" if curve == "train" else f"{curve}/psnr_db"):
        words.append(f"{psnr.value:.2f} dB")
    return ", ".join(words)


def _last(points: Sequence[CurvePoint], name: str) -> CurvePoint | None:
    return next((point for point in reversed(points) if point.name == name), None)
