"""The families of networks: what each is called, where it was published, and which sizes it has.

A recipe asks for sizes and a descriptor states them; both say the same things in the same words, so both are `Sizes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from sr_core.records import Record

PositiveInt = Annotated[int, Field(ge=1)]
FamilyName = Literal["edsr", "srcnn", "fsrcnn", "vdsr", "srresnet", "rrdb", "linear"]
Share = tuple[int, int]  # numerator, denominator; of the width, rounded down


@dataclass(frozen=True)
class Family:
    """What is known of a family before anything is built.

    Attributes
    ----------
    title : its name in the literature.
    paper, doi : authors with year, and where to find it; empty for what is our own.
    sizes : the settings that mean something to it.
    width, blocks, middle, residual_scale, narrow, growth : what they are unless chosen; the last two as a share of the width.
    upscaled : whether it works on the image that was upscaled before, so that its patches are cut on the HR grid.
    """

    title: str
    paper: str
    doi: str
    sizes: tuple[str, ...]
    width: int = 32
    blocks: int = 8
    middle: int | None = None
    residual_scale: float | None = None
    narrow: Share | None = None
    growth: Share | None = None
    upscaled: bool = False


FAMILIES: Mapping[FamilyName, Family] = {
    "edsr": Family("EDSR", "Lim et al. 2017", "10.1109/CVPRW.2017.151", ("width", "blocks", "residual_scale"), residual_scale=1.0),
    "srcnn": Family(
        "SRCNN", "Dong et al. 2016", "10.1109/TPAMI.2015.2439281", ("width", "narrow", "middle"),
        width=64, narrow=(1, 2), middle=1, upscaled=True,
    ),
    "fsrcnn": Family(
        "FSRCNN", "Dong, Loy and Tang 2016", "10.1007/978-3-319-46475-6_25", ("width", "narrow", "blocks"),
        width=56, narrow=(3, 14), blocks=4,
    ),
    "vdsr": Family("VDSR", "Kim et al. 2016", "10.1109/CVPR.2016.182", ("width", "blocks"), width=64, blocks=20, upscaled=True),
    "srresnet": Family("SRResNet", "Ledig et al. 2017", "10.1109/CVPR.2017.19", ("width", "blocks"), width=64, blocks=16),
    "rrdb": Family(
        "RRDB", "Wang et al. 2018", "10.1007/978-3-030-11021-5_5", ("width", "blocks", "growth", "residual_scale"),
        width=64, blocks=23, growth=(1, 2), residual_scale=0.2,
    ),
    "linear": Family("linear filter", "", "", ()),
}  # fmt: skip

OWN = ("narrow", "middle", "growth", "residual_scale")  # sizes that only some families have
SIZES = ("width", "blocks", *OWN)


class Sizes(Record):
    """A family and its sizes; what is not given is what the family usually has, in numbers, so that it is on record.

    Attributes
    ----------
    family : see `FAMILIES`.
    width : feature maps (FSRCNN's d, the first of SRCNN's two).
    blocks : residual blocks; FSRCNN's mapping layers m; all layers of VDSR. SRCNN and the linear filter have none.
    narrow : feature maps of the narrow layers: SRCNN's second, FSRCNN's s. Others: None.
    middle : side of SRCNN's second kernel: 1, 3 or 5. Others: None.
    growth : feature maps that each layer of RRDB's dense blocks adds. Others: None.
    residual_scale : what EDSR's and RRDB's residual blocks are multiplied by. Others: None.

    Raises
    ------
    pydantic.ValidationError
        If a size is given that the family does not have, or sizes contradict each other.
    """

    family: FamilyName
    width: PositiveInt = 32
    blocks: PositiveInt = 8
    narrow: PositiveInt | None = None
    middle: PositiveInt | None = None
    growth: PositiveInt | None = None
    residual_scale: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        wanted = given.get("family", cls.model_fields["family"].default)
        name = next((known for known in FAMILIES if known == wanted), None)
        if name is None:
            return {key: value for key, value in given.items() if value is not None}
        missing = {size for size in SIZES if given.get(size) is None}
        usual = usual_sizes(name, given.get("width"))
        return {key: value for key, value in given.items() if key not in missing} | {size: usual[size] for size in missing}

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        family = FAMILIES[self.family]
        for size in OWN:
            if getattr(self, size) is not None and size not in family.sizes:
                has = " and ".join(family.sizes) or "none"
                raise ValueError(f"{size} is no size of {self.family}, whose sizes are: {has}")
        if self.middle is not None and self.middle not in (1, 3, 5):
            raise ValueError(f"middle is the side of SRCNN's second kernel: 1, 3 or 5, not {self.middle}")
        if self.family == "fsrcnn" and self.narrow is not None and self.narrow > self.width:
            raise ValueError(f"fsrcnn shrinks its {self.width} maps to fewer, not to narrow={self.narrow}")
        if self.family == "vdsr" and self.blocks < 2:
            raise ValueError(f"vdsr has a first and a last layer at least, so blocks of 2 or more, not {self.blocks}")
        return self

    def unchosen(self) -> dict[str, None]:
        """Name the sizes that are the family's usual ones, each with None: so another family can fill in its own."""
        usual = usual_sizes(self.family, self.width) | {"width": FAMILIES[self.family].width}
        return {size: None for size in SIZES if getattr(self, size) == usual[size]}

    def describe(self) -> str:
        """Say in a few words what it is, for a person."""
        title = FAMILIES[self.family].title
        match self.family:
            case "linear":
                return title
            case "srcnn":
                return f"{title} 9-{self.middle}-5 of {self.width} and {self.narrow} channels"
            case "fsrcnn":
                return f"{title}({self.width}, {self.narrow}, {self.blocks})"
            case "vdsr":
                return f"{title}, {self.blocks} layers of {self.width} channels"
        words = f"{title}, {self.blocks} block{'s' if self.blocks > 1 else ''} of {self.width} channels"
        if self.growth is not None:
            words += f" that grow by {self.growth}"
        return words if self.residual_scale in (None, 1.0) else f"{words}, residuals times {self.residual_scale:g}"


def usual_sizes(name: FamilyName, width: object = None) -> dict[str, int | float | None]:
    """Give a family's sizes where only its width was chosen, or nothing.

    Parameters
    ----------
    width : as a user gives it, so possibly a text, or no number at all; then the family's own.
    """
    family = FAMILIES[name]
    try:
        wide = family.width if width is None else int(str(width))
    except ValueError:
        wide = family.width  # the field itself refuses it, in words

    def share(of: Share | None) -> int | None:
        return None if of is None else max(1, wide * of[0] // of[1])

    return {
        "width": wide, "blocks": family.blocks, "narrow": share(family.narrow), "middle": family.middle,
        "growth": share(family.growth), "residual_scale": family.residual_scale,
    }  # fmt: skip
