"""What executors need to know to describe videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from udfs.opening.roots import Roots
    from udfs.video import (
        DecodeLimits,
        SamplingRule,
    )


@dataclass(frozen=True)
class DescribeSettings:
    """What the executors must know to describe; see the describe section of the config for each field."""

    backbone: str
    weights_dir: str | None
    allow_download: bool
    precision: str
    batch_frames: int
    cuts_borders: bool
    num_decoders: int
    roots: Roots
    sampling: SamplingRule
    limits: DecodeLimits
