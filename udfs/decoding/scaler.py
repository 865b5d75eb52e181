"""Scales decoded frames with the FFmpeg filters that decord uses, so that both decoders return the same bytes.

Runs in decoder children.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from models.square import fit_inside
from udfs.decoding.orientation import Orientation, read_orientation

if TYPE_CHECKING:
    import numpy as np
    from av.filter import Graph
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray


class Scaler:
    """Turns frames upright and scales them into a box, bicubically. The size of the input frames may change.

    Args:
        pixel_aspect: displayed width of a coded pixel, divided by its height.
        box_px: longer side of the scaled frames.
    """

    def __init__(self, pixel_aspect: float, box_px: int) -> None:
        self._pixel_aspect = pixel_aspect
        self._box_px = box_px
        self._graph: Graph | None = None
        self._made_for: tuple[object, ...] = ()

    def scale(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return the upright, scaled frame: uint8 (h, w, 3), RGB."""
        orientation = read_orientation(frame)
        kind = (frame.width, frame.height, frame.format.name, orientation)
        if self._graph is None or self._made_for != kind:
            self._graph, self._made_for = self._make_graph(frame, orientation), kind
        self._graph.push(frame)
        return cast("NDArray[np.uint8]", self._graph.vpull().to_ndarray())

    def _make_graph(self, frame: VideoFrame, orientation: Orientation) -> Graph:
        from av.filter import Graph

        size = (frame.width * self._pixel_aspect, float(frame.height))
        width, height = fit_inside(*(size[::-1] if orientation.is_sideways else size), self._box_px)
        filters = (*orientation.filters, ("scale", f"{width}:{height}"), ("format", "rgb24"), ("buffersink", ""))
        graph = Graph()
        graph.threads = 1
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        graph.link_nodes(source, *(graph.add(name, arguments or None) for name, arguments in filters))
        graph.configure()
        return graph
