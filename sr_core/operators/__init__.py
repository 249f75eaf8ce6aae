"""Known degradations: the linear map from HR to LR with its adjoint, interpolation and exact inverse; its noise; and maps of both.

An `Operator` is either two banded factors, one an axis (`factor`), made by name (`kinds`: of `parameters`, with the `taps` of each), and
run in one of two bit-stable forms (`engine`: `blocks` for float32 on a CPU, shared by a few threads (`pool`), `accumulate` elsewhere);
or such a pair for each band (`bandwise`); or a truncation in k-space (`kspace`), which has no windows. `inverse` solves on the LR grid,
`projection` finds the nearest image that explains a measurement, `visibility` says what cannot be seen. `noise` draws and states
measurement noise, `maps` tells a network about kernel and noise. `matlab` has the classical resize with its roundings, for protocols.
"""

from sr_core.operators.bandwise import BandwiseOperator
from sr_core.operators.base import LARGEST_CONDITION, USABLE_CONDITION, Operator
from sr_core.operators.factor import Factor
from sr_core.operators.kinds import KINDS, interpolation, make_operator, operator_from
from sr_core.operators.kspace import KSpaceOperator
from sr_core.operators.maps import KernelBasis, degradation_maps, kernel_of
from sr_core.operators.noise import Noise, make_noise, noise_from
from sr_core.operators.separable import SeparableOperator

__all__ = [
    "BandwiseOperator",
    "Factor",
    "KINDS",
    "KSpaceOperator",
    "KernelBasis",
    "LARGEST_CONDITION",
    "Noise",
    "Operator",
    "SeparableOperator",
    "USABLE_CONDITION",
    "degradation_maps",
    "interpolation",
    "kernel_of",
    "make_noise",
    "make_operator",
    "noise_from",
    "operator_from",
]
