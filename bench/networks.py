"""Write the tables of docs/networks.md from the networks themselves: `python bench/networks.py`."""

from __future__ import annotations

import re
from pathlib import Path

from sr_core.families import FAMILIES, Sizes, usual_sizes
from sr_core.networks import Descriptor, build
from sr_core.operators import make_operator

PAGE = Path(__file__).resolve().parents[1] / "docs" / "networks.md"
SHOWN: tuple[tuple[dict[str, object], int, int], ...] = (  # sizes, scale, bands at once
    ({"family": "edsr"}, 2, 1),
    ({"family": "edsr", "width": 64, "blocks": 16}, 2, 3),
    ({"family": "edsr", "width": 64, "blocks": 16}, 4, 3),
    ({"family": "edsr", "width": 256, "blocks": 32, "residual_scale": 0.1}, 2, 3),
    ({"family": "edsr", "width": 256, "blocks": 32, "residual_scale": 0.1}, 4, 3),
    ({"family": "srcnn"}, 3, 1),
    ({"family": "srcnn", "middle": 3}, 3, 1),
    ({"family": "srcnn", "middle": 5}, 3, 1),
    ({"family": "srcnn", "width": 128}, 3, 1),
    ({"family": "srcnn"}, 3, 3),
    ({"family": "fsrcnn"}, 2, 1),
    ({"family": "fsrcnn"}, 3, 1),
    ({"family": "fsrcnn"}, 4, 1),
    ({"family": "vdsr"}, 2, 1),
    ({"family": "srresnet"}, 2, 1),
    ({"family": "srresnet"}, 4, 3),
    ({"family": "rrdb", "width": 32, "blocks": 4}, 2, 1),
    ({"family": "rrdb"}, 2, 1),
    ({"family": "rrdb"}, 4, 3),
)


def families() -> str:
    """Give the table of families: name, paper, settings with what they are unless set, grid of the patches."""
    lines = ["| `network.family` | paper | settings | patches |", "|---|---|---|---|"]
    for name, family in FAMILIES.items():
        usual = usual_sizes(name)
        settings = ", ".join(f"`{size}` {usual[size]:g}" for size in family.sizes) or "`linear_taps` 9"
        paper = f"{family.title}: {family.paper}, [{family.doi}](https://doi.org/{family.doi})" if family.doi else "our baseline"
        lines.append(f"| `{name}` | {paper} | {settings} | {'HR' if family.upscaled else 'LR'} grid |")
    return "\n".join(lines)


def sizes() -> str:
    """Give the table of counts: the learned part alone, over the plain interpolation, without a spread head."""
    head = "| network | scale | bands | parameters | kernels alone | multiply-adds | halo |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for settings, scale, bands in SHOWN:
        plan = Sizes.model_validate(settings)
        operator = make_operator("bicubic", scale).to_json()
        about = {"scale": scale, "channels": bands, "bandwise": bands == 1, "base": "operator", "operator": operator}
        net = build(Descriptor.model_validate(plan.model_dump() | about))
        kernels = sum(p.numel() for p in net.parameters() if p.ndim == 4)
        counts = " | ".join(f"{count:,}" for count in (net.parameter_count, kernels, net.macs_per_pixel))
        lines.append(f"| {plan.describe()} | x{scale} | {bands} | {counts} | {net.halo} |")
    return "\n".join(lines)


def rewritten(page: str) -> str:
    """Give the page with its tables made anew."""
    for name, table in (("families", families()), ("sizes", sizes())):
        between = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, found = between.subn(rf"\g<1>{table}\n\g<2>", page)
        if found != 1:
            raise SystemExit(f"docs/networks.md has {found} places for the table {name!r}; expected one. Put the marks back.")
    return page


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
