"""The settings that executors need to describe videos, with their defaults."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from udfs.decoding.settings import DecoderSettings
    from udfs.opening.roots import Roots

Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True)
class DescribeSettings:
    """How a describing task opens, decodes and describes its videos.

    The config section `describe` takes its defaults from here, from `DecodeLimits` and from `SamplingRule`.

    Attributes:
        roots: the only locations from which videos may be read.
        decoder: how videos are decoded. Its `frame_px` is the backbone's `input_px`.
        backbone: name of the CNN in `models.registry`.
        weights_dir: folder on every node with weights files; None if there is none.
        allow_download: whether torch.hub may download weights that are found nowhere else.
        precision: precision of the CNN; auto uses bf16 if the hardware supports it.
        batch_frames: number of frames in a batch of the CNN.
        cuts_borders: whether uniform borders are cut off the frames before the CNN.
        stores_thumbnails: whether the sampled frames are stored as small pictures too.
        num_decoders: number of decoder processes per task.
    """

    roots: Roots
    decoder: DecoderSettings
    _: KW_ONLY
    backbone: str = "efficientnet_lite0_ndvr"
    weights_dir: str | None = None
    allow_download: bool = False
    precision: Precision = "auto"
    batch_frames: int = 8
    cuts_borders: bool = True
    stores_thumbnails: bool = True
    num_decoders: int = 1
