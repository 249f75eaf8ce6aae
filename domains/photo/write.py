"""Writing upscaled photographs."""

from __future__ import annotations

from domains.common.pictures import PictureWriter
from sr_core.domain import OutputPlan
from sr_core.records import Source


def create(like: Source, plan: OutputPlan) -> PictureWriter:
    """Start an upscaled photograph; its label says that an algorithm enhanced a real picture."""
    return PictureWriter(like, plan, "algorithmicallyEnhanced")
