"""The settings with which executors open, decode and describe videos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from udfs.describing.settings import DescribeSettings

if TYPE_CHECKING:
    from jobs.config.settings import DescribeConfig
    from udfs.opening.roots import Roots


def describe_settings(describe: DescribeConfig, roots: Roots) -> DescribeSettings:
    """Return the settings for executors that open videos below `roots`."""
    return DescribeSettings(
        roots,
        describe.decoder,
        backbone=describe.backbone,
        weights_dir=str(describe.weights_dir) if describe.weights_dir else None,
        allow_download=describe.allow_download,
        precision=describe.precision,
        batch_frames=describe.batch_frames,
        cuts_borders=describe.cut_borders,
        stores_thumbnails=describe.store_thumbnails,
        num_decoders=describe.decoders_per_task,
    )
