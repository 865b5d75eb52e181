"""The settings that a decoder child shares with its parent."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from udfs.video import DecodeLimits, SamplingRule

if TYPE_CHECKING:
    from udfs.decoding.wire import Header


@dataclass(frozen=True)
class DecoderSettings:
    """The settings that hold for every video of a pool.

    Attributes:
        frame_px: side of the square frames, in px.
        sampling: which frames are sampled.
        limits: the most that one video may cost.
    """

    frame_px: int
    sampling: SamplingRule
    limits: DecodeLimits

    def to_header(self) -> Header:
        """Return the settings as JSON-compatible values, for the command line of the child."""
        return asdict(self)

    @classmethod
    def from_header(cls, header: Header) -> DecoderSettings:
        """Rebuild the settings from the values that `to_header` returned."""
        return cls(header["frame_px"], SamplingRule(**header["sampling"]), DecodeLimits(**header["limits"]))
