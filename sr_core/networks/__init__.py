"""Networks: what upscales, as trees of a few kinds of block, one file a family.

`build(descriptor)` gives an `SRNet`, which is `base + residual`: the base is the operator's own upscaling or, over it, the fitted
linear filter (`linear.fit`); the residual starts at zero, so that no training can start worse than the base. Halo, parameter
count and multiply-adds follow from the tree (`blocks`). `forward_spread` also says how large the error of each pixel may be.
"""

from __future__ import annotations

from sr_core.networks.build import build
from sr_core.networks.descriptor import Descriptor
from sr_core.networks.linear import fit, linear_descriptor
from sr_core.networks.net import SRNet
from sr_core.networks.spread import fit_energy

__all__ = ["Descriptor", "SRNet", "build", "fit", "fit_energy", "linear_descriptor"]
