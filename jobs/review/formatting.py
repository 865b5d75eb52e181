"""Formats numbers, times and reasons for the pages of a report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jobs.review.verdict import describe_look
from udfs.illustrating.pictures import is_crop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.review.report_data import QueuedPair, ReviewedVideo

_MINUTE, _HOUR = 60, 3600


def format_duration(seconds: float) -> str:
    """Format a duration: 4.2 s, 3 min 5 s, 2 h 10 min."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def format_clock(seconds: float) -> str:
    """Format a time in a video: 0:03.2, 1:02:03.0."""
    tenths = round(seconds * 10)
    hours, rest = divmod(tenths, 10 * _HOUR)
    minutes, rest = divmod(rest, 10 * _MINUTE)
    clock = f"{minutes:02}" if hours else f"{minutes}"
    return f"{f'{hours}:' if hours else ''}{clock}:{rest // 10:02}.{rest % 10}"


def format_percent(fraction: float) -> str:
    """Format a fraction: 98.2 %. It is rounded down, so that a value below 1 is never shown as 100 %."""
    return f"{math.floor(fraction * 1000) / 10:g} %"


def format_video_facts(video: ReviewedVideo) -> str:
    """Format the facts of a video besides its title: duration, resolution, date, owner, URI."""
    facts = []
    if video.duration_seconds is not None:
        facts.append(format_clock(video.duration_seconds))
    if video.width_px is not None and video.height_px is not None:
        facts.append(f"{video.width_px} x {video.height_px}")
    if video.published_at is not None:
        facts.append(f"published {video.published_at.removesuffix('T00:00:00Z')}")
    if video.owner_id:
        facts.append(f"by {video.owner_id}")
    if video.uri:
        facts.append(video.uri)
    return " · ".join(facts)


def explain_path(queued: QueuedPair, videos: Mapping[str, ReviewedVideo]) -> str:
    """Explain how a pair is linked to the keeper of its cluster, if other videos link it."""
    pair = queued.pair
    if queued.keeper_id is None:
        return ""
    if queued.keeper_id in pair.ids:
        return "" if pair.row is not None or queued.relation == "decision" else "Other videos of the cluster link them."
    return f"Both are in the cluster of {_name(videos[queued.keeper_id])}."


def list_evidence(queued: QueuedPair) -> list[tuple[str, str]]:
    """List the evidence for a pair: (name, value)."""
    row = queued.pair.row
    if row is None:
        if queued.relation == "decision":
            return [("linked by", "a decision only")]
        return [("linked by", "a path of other pairs"), ("its probability", format_percent(queued.probability))]
    aligned = row["alignment_similarity"]
    evidence = [
        ("probability", format_percent(row["match_probability"])),
        ("relation", str(row["relation"])),
        ("first video", f"{_format_span(row, 'left')}, {format_percent(row['left_coverage'])} of its content"),
        ("second video", f"{_format_span(row, 'right')}, {format_percent(row['right_coverage'])} of its content"),
        ("cosine similarity", f"{row['cosine_similarity']:.3f}"),
    ]
    evidence += [] if aligned is None else [("aligned frames", f"{aligned:.3f} similar")]
    seen = describe_look(row["place_agreement"], row["change_agreement"])
    evidence += [("second look", seen)] if seen else []
    is_outlined = is_crop(row["left_region"]) or is_crop(row["right_region"])
    return [*evidence, ("yellow outline", "the part that the other video shows")] if is_outlined else evidence


def _name(video: ReviewedVideo) -> str:
    return video.title or video.video_id


def _format_span(row: Mapping[str, float], side: str) -> str:
    return f"{format_clock(row[f'{side}_start_seconds'])} to {format_clock(row[f'{side}_end_seconds'])}"
