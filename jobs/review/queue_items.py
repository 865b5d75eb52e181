"""The pairs of a queue as values of its data files: what the page shows of each, as JSON. Runs on the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.review.formatting import explain_path, format_clock, format_video_facts, list_evidence
from jobs.review.match_sentence import describe_match
from udfs.clustering.containment import name_relation_to
from udfs.illustrating.clips import CLIP_FPS
from udfs.illustrating.pictures import is_crop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.review.report_data import PairClips, QueuedPair, ReviewedVideo, Strip

_SIDES = ("left", "right")
_MIN_LONGER_SECONDS = 0.5  # below, two videos count as equally long


def make_item(queued: QueuedPair, videos: Mapping[str, ReviewedVideo], *, is_blind: bool) -> dict[str, Any]:
    """Return what a page shows of a pair; of a blind page, only the videos and their frames."""
    pair = queued.pair
    item: dict[str, Any] = {
        "videos": [_make_video(videos[video_id]) for video_id in pair.ids],
        "frames": [_make_picture(strip) for strip in (pair.left, pair.right)],
        "clocks": [[format_clock(second) for second in strip.seconds] for strip in (pair.left, pair.right)],
    }
    if pair.clips is not None:
        item["clips"] = _make_clips(pair.clips)
    if is_blind:
        return item
    for side, badges in zip(item["videos"], _list_badges(queued, videos), strict=True):
        side["badges"] = badges
    row = pair.row
    return item | {
        "cluster": queued.cluster_id,
        "members": queued.num_members,
        "reasons": list(queued.reasons),
        "probability": queued.probability,
        "relation": queued.relation,
        "sentence": describe_match(pair),
        "path": explain_path(queued, videos),
        "evidence": list_evidence(queued),
        "match": _make_picture(pair.match),
        "segments": [list(segment) for segment in pair.segments],
        "regions": _list_regions(row),
    }


def _make_video(video: ReviewedVideo) -> dict[str, Any]:
    return {
        "id": video.video_id,
        "title": video.title,
        "owner": video.owner_id,
        "facts": format_video_facts(video),
        "seconds": video.duration_seconds,
    }


def _make_clips(clips: PairClips) -> dict[str, Any]:
    return {
        "files": list(clips.files),
        "sizes": [list(size) for size in clips.sizes_px],
        "starts": [clips.left_seconds[0], clips.right_seconds[0]],
        "ends": [clips.left_seconds[-1], clips.right_seconds[-1]],
        "frames": len(clips.left_seconds),
        "fps": CLIP_FPS,
    }


def _make_picture(strip: Strip) -> dict[str, Any]:
    return {"file": strip.file, "size": list(strip.size_px), "error": strip.error_code}


def _list_regions(row: Mapping[str, Any] | None) -> list[Sequence[float]] | None:
    """Return what each picture shows of the other, as fractions of its size; None if both show the whole picture."""
    regions = [row[f"{side}_region"] for side in _SIDES] if row is not None else []
    return regions if any(is_crop(region) for region in regions) and None not in regions else None


def _list_badges(queued: QueuedPair, videos: Mapping[str, ReviewedVideo]) -> list[list[str]]:
    """List what distinguishes each of the two videos: it is kept, contains the other, is longer, larger or older."""
    left, right = (videos[video_id] for video_id in queued.pair.ids)
    return [_list_own_badges(queued, *sides) for sides in ((left, right, 0), (right, left, 1))]


def _list_own_badges(queued: QueuedPair, own: ReviewedVideo, other: ReviewedVideo, side: int) -> list[str]:
    row = queued.pair.row
    badges = ["kept"] if own.video_id == queued.keeper_id else []
    if row is not None:
        coverages = [row[f"{name}_coverage"] for name in (_SIDES[side], _SIDES[1 - side])]
        badges += ["contains the other"] * (name_relation_to(row["relation"], *coverages) == "contains")
    if (own.duration_seconds or 0.0) >= (other.duration_seconds or 0.0) + _MIN_LONGER_SECONDS:
        badges.append("longer")
    if _count_pixels(own) > _count_pixels(other):
        badges.append("more pixels")
    if own.published_at is not None and other.published_at is not None and own.published_at < other.published_at:
        badges.append("published first")
    return badges


def _count_pixels(video: ReviewedVideo) -> int:
    return (video.width_px or 0) * (video.height_px or 0)
