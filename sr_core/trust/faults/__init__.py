"""Faults that are planted in delivered images on purpose, to see which check catches them and from which size on.

`record` says what a fault is and what it is planted in; `whole` (the whole image is wrong), `local` (a place of it is) and `around`
(not the pixels, but what stands beside them) are the mutations, plain functions; `table` lists them: `FAULTS`.
"""

from sr_core.trust.faults.record import Delivered, Fault, projection_onto
from sr_core.trust.faults.table import FAULTS

__all__ = ["Delivered", "FAULTS", "Fault", "projection_onto"]
