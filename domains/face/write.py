"""Pictures of people out: labelled, with a notice in the verdict beside them."""

from __future__ import annotations

from dataclasses import replace

from domains.common.pictures import PictureWriter
from sr_core.domain import OutputPlan
from sr_core.raster import OutputFile
from sr_core.records import Source
from sr_core.trust.verdict import Verdict

NOTICE = "Enhanced by a model; details are guessed; not for identification."


class FaceWriter(PictureWriter):
    """A picture writer whose output always carries the label of generated detail and the notice.

    The label (XMP, IPTC digital source type "algorithmicallyEnhanced") is in the picture; the notice is the last reason of
    the verdict beside it, and a text chunk where the format is PNG. There is no switch for leaving them out.
    """

    def __init__(self, like: Source, plan: OutputPlan) -> None:
        super().__init__(like, replace(plan, tags={**plan.tags, "SR_NOTICE": NOTICE}), "algorithmicallyEnhanced")

    def finish(self, verdict: Verdict) -> tuple[OutputFile, ...]:
        """Publish the picture, its interval and the verdict with the notice."""
        reasons = verdict.reasons if NOTICE in verdict.reasons else (*verdict.reasons, NOTICE)
        return super().finish(verdict.model_copy(update={"reasons": reasons}))
