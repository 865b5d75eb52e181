"""Chooses the video streams of a file that follow each other. Runs in decoder children.

A file may have several programs, tracks or angles at the same time: the best one is the video. If the stream changes
half-way, as when recordings with other packet identifiers are joined, the streams are read one after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from udfs.errors import RowError, RowErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from udfs.decoding.packets import StreamPackets

# Streams that are multiplexed begin and end within about a second of each other.
_MAX_UNREAD_SECONDS = 2.0


def choose_chain(best: StreamPackets, others: Iterable[StreamPackets], *, by_position: bool) -> list[StreamPackets]:
    """Return the streams that follow each other, in order; streams that run beside them are left out.

    Args:
        best: the stream that must be in the chain.
        others: the other streams of moving pictures of the file.
        by_position: whether packets are ordered by their place in the file. Otherwise they are ordered by their
            timestamps, which then must be on one clock for all streams.

    Raises:
        RowError: UNREAD_PARTS: a stream neither follows the chain nor runs beside it, or has no decoder.
    """
    chain = [best]
    places = _list_places(best, by_position=by_position)
    candidates = [(stream, _list_places(stream, by_position=by_position)) for stream in others]
    candidates = [(stream, own) for stream, own in candidates if len(own)]
    for stream, own in sorted(candidates, key=lambda candidate: float(candidate[1][0])):
        if len(places) and (own[0] > places[-1] or own[-1] < places[0]):
            _require_decoder(stream)
            chain.insert(len(chain) if own[0] > places[-1] else 0, stream)
            places = np.sort(np.concatenate((places, own)))
        else:
            _require_beside(stream, own, places, by_position=by_position)
    return chain


def _list_places(stream: StreamPackets, *, by_position: bool) -> NDArray[np.float64]:
    if by_position:
        return np.sort(np.array(stream.positions, dtype=np.float64))
    return stream.frame_seconds


def _require_beside(
    stream: StreamPackets, own: NDArray[np.float64], places: NDArray[np.float64], *, by_position: bool
) -> None:
    if by_position:
        # The longest run of its packets without a packet of the chain between them.
        longest = int(np.bincount(np.searchsorted(places, own)).max())
        unread_seconds = longest * _measure_interval_seconds(stream)
    else:
        unread_seconds = max(0.0, float(places[0] - own[0]), float(own[-1] - places[-1])) if len(places) else np.inf
    if unread_seconds > _MAX_UNREAD_SECONDS:
        detail = (
            f"video stream {stream.stream.index} has {unread_seconds:.1f} s neither beside nor after the other ones, "
            f"the limit is {_MAX_UNREAD_SECONDS:g} s. Split the file, or keep one of its video streams"
        )
        raise RowError(RowErrorCode.UNREAD_PARTS, detail)


def _require_decoder(stream: StreamPackets) -> None:
    if stream.stream.codec_context is None:
        detail = f"the video goes on in stream {stream.stream.index}, for whose codec there is no decoder"
        raise RowError(RowErrorCode.UNREAD_PARTS, detail)


def _measure_interval_seconds(stream: StreamPackets) -> float:
    steps = np.diff(stream.frame_seconds)
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else 0.0
