"""The settings of a decoder pool, which each child process shares with its parent."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from udfs.video import DecodeLimits, SamplingRule

if TYPE_CHECKING:
    from udfs.decoding.wire import Header


@dataclass(frozen=True)
class DecoderSettings:
    """The settings that apply to every video of a pool.

    The driver builds this object once; the Spark task, the pool and its workers pass it on unchanged.

    Attributes:
        frame_px: side of the square frames, in px.
        sampling: which frames are sampled.
        limits: resource limits per video.
    """

    frame_px: int
    sampling: SamplingRule = field(default_factory=SamplingRule)
    limits: DecodeLimits = field(default_factory=DecodeLimits)

    def to_header(self) -> Header:
        """Return the settings as JSON-compatible values, for the command line of the child."""
        return asdict(self)

    @classmethod
    def from_header(cls, header: Header) -> DecoderSettings:
        """Rebuild the settings from the values that `to_header` returned."""
        return cls(header["frame_px"], SamplingRule(**header["sampling"]), DecodeLimits(**header["limits"]))
