"""How a report says numbers, times and reasons, in words for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jobs.review.facts import ReviewedCluster, ReviewedPair, ReviewedVideo

_MINUTE, _HOUR = 60, 3600
_NEARBY_PAGES = 2


def say_duration(seconds: float) -> str:
    """Say how long something took: 4.2 s, 3 min 5 s, 2 h 10 min."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def say_clock(seconds: float) -> str:
    """Say a moment of a video: 0:03.2, 1:02:03.0."""
    tenths = round(seconds * 10)
    hours, rest = divmod(tenths, 10 * _HOUR)
    minutes, rest = divmod(rest, 10 * _MINUTE)
    clock = f"{minutes:02}" if hours else f"{minutes}"
    return f"{f'{hours}:' if hours else ''}{clock}:{rest // 10:02}.{rest % 10}"


def say_moments(seconds: Iterable[float]) -> str:
    """Say several moments of a video."""
    return ", ".join(say_clock(second) for second in seconds)


def say_percent(fraction: float) -> str:
    """Say a fraction: 98.2 %, and never 100 % of what is not quite sure."""
    return f"{math.floor(fraction * 1000) / 10:g} %"


def say_facts(video: ReviewedVideo) -> str:
    """Say what people know a video by, besides its title: length, size, date, owner, place."""
    said = []
    if video.duration_seconds is not None:
        said.append(say_clock(video.duration_seconds))
    if video.width_px is not None and video.height_px is not None:
        said.append(f"{video.width_px} x {video.height_px}")
    if video.published_at is not None:
        said.append(f"published {video.published_at:%Y-%m-%d %H:%M}")
    if video.owner_id:
        said.append(f"by {video.owner_id}")
    if video.uri:
        said.append(video.uri)
    return " · ".join(said)


def say_why(pair: ReviewedPair, cluster: ReviewedCluster, videos: Mapping[str, ReviewedVideo]) -> str:
    """Say why the two videos of a pair are together."""
    sentences = []
    if pair.decision is not None:
        note = f" ({pair.decision['note']})" if pair.decision["note"] else ""
        sentences.append(f"{pair.decision['decided_by']} decided: {pair.decision['verdict']}{note}.")
    if pair.row is not None:
        left, right = (_name(videos[video_id]) for video_id in pair.ids)
        spans = (_say_span(pair.row, "left"), _say_span(pair.row, "right"))
        if pair.row["relation"] == "copy":
            sentences.append(f"Both show the same footage: {spans[0]} of {left} is {spans[1]} of {right}.")
        elif pair.row["relation"] == "contained":
            inner = left if pair.row["left_coverage"] >= pair.row["right_coverage"] else right
            sentences.append(f"{inner} lies in the other: {spans[0]} of {left} is {spans[1]} of {right}.")
        else:
            sentences.append(f"They share a part: {spans[0]} of {left} is {spans[1]} of {right}.")
    if pair.joined_by != cluster.keeper_id:
        member, way, keeper = (
            _name(videos[video_id]) for video_id in (pair.member_id, pair.joined_by, cluster.keeper_id)
        )
        sentences.append(f"{member} is not joined to the kept {keeper} itself: {way} leads there.")
    return " ".join(sentences)


def list_evidence(pair: ReviewedPair) -> list[tuple[str, str]]:
    """List what speaks for a pair: (what, how much)."""
    if pair.row is None:
        return [("joined by", "a decision alone")]
    row = pair.row
    aligned = row["alignment_similarity"]
    evidence = [
        ("probability", say_percent(row["match_probability"])),
        ("relation", str(row["relation"])),
        ("first video", f"{_say_span(row, 'left')}, {say_percent(row['left_coverage'])} of it"),
        ("second video", f"{_say_span(row, 'right')}, {say_percent(row['right_coverage'])} of it"),
        ("cosine similarity", f"{row['cosine_similarity']:.3f}"),
    ]
    return evidence if aligned is None else [*evidence, ("aligned frames", f"{aligned:.3f} similar")]


def list_nearby(page: int, num_pages: int) -> list[int | None]:
    """List the pages that are linked: the first, the last, and those near; None where some are left out."""
    shown = sorted({1, num_pages, *range(max(1, page - _NEARBY_PAGES), min(num_pages, page + _NEARBY_PAGES) + 1)})
    listed: list[int | None] = []
    for number in shown:
        if listed and listed[-1] != number - 1:
            listed.append(None)
        listed.append(number)
    return listed


def _name(video: ReviewedVideo) -> str:
    return video.title or video.video_id


def _say_span(row: Mapping[str, float], side: str) -> str:
    return f"{say_clock(row[f'{side}_start_seconds'])} to {say_clock(row[f'{side}_end_seconds'])}"
