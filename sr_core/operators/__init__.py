"""Known degradations: the linear map from HR to LR with its adjoint, interpolation and exact inverse.

An operator is two banded factors, one an axis (`factor`), made by name (`kinds`), and run in one of two bit-stable forms (`engine`:
`blocks` for float32 on a CPU, `accumulate` elsewhere). `inverse` solves on the LR grid, `projection` finds the nearest image that explains
a measurement, `visibility` says what cannot be seen. `matlab` has the classical resize with its roundings, for protocols.
"""

from sr_core.operators.factor import Factor
from sr_core.operators.kinds import KINDS, make_operator, operator_from
from sr_core.operators.separable import LARGEST_CONDITION, USABLE_CONDITION, SeparableOperator

Operator = SeparableOperator

__all__ = ["Factor", "KINDS", "LARGEST_CONDITION", "Operator", "SeparableOperator", "USABLE_CONDITION", "make_operator", "operator_from"]
