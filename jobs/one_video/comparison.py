"""One video held against others of the index, and what is concluded from it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from jobs.errors import TimeLimitError
from jobs.one_video.answer import Answer, Match, choose_original, name_original, rank_matches
from models.verifier import EVIDENCE
from udfs.verifying.verify_batches import verify_batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.one_video.index.reader import Index, StoredVideo
    from models.verifier import Verifier

_PAIRS_AT_ONCE = 64
"""Pairs that are aligned between two looks at the clock: some 50 milliseconds."""
_BOUNDS = ("start_seconds", "end_seconds", "coverage")


@dataclass(frozen=True)
class MatchContext:
    """What a video is held against, and what decides.

    Attributes:
        index: the stored videos.
        verifier: gives the probability, and the threshold.
        relations: those that make a duplicate by themselves (`clusters.relations`).
    """

    index: Index
    verifier: Verifier
    relations: tuple[str, ...]


def compare(
    judge: MatchContext,
    whole: dict[str, Any],
    others: list[StoredVideo],
    video_id: str | None,
    deadline: float | None,
) -> Iterator[Match]:
    """Align a video with others and weigh what comes of it; videos of one content are aligned once.

    Args:
        judge: what is compared with, and what decides.
        whole: the row of `embeddings` of the whole video.
        others: videos of the index.
        video_id: of the video, if known: see `Checker.check`.
        deadline: of the monotonic clock, or None.

    Raises:
        TimeLimitError: the deadline has passed.
    """
    import pandas as pd

    by_content: dict[str, list[StoredVideo]] = {}
    for other in sorted(others, key=lambda video: video.video_id):
        by_content.setdefault(other.content_sha256, []).append(other)
    alike = {str(videos[0].number): videos for videos in by_content.values()}
    firsts = [videos[0] for videos in by_content.values()]
    for begin in range(0, len(firsts), _PAIRS_AT_ONCE):
        if deadline is not None and time.monotonic() > deadline:
            raise TimeLimitError(f"{begin} of {len(firsts)} candidates had been compared when the time was up")
        pairs = [_pair(judge.index, whole, first, video_id) for first in firsts[begin : begin + _PAIRS_AT_ONCE]]
        for rows in verify_batches(iter([pd.DataFrame(pairs)]), judge.verifier):
            for row in cast("list[dict[str, Any]]", rows.to_dict("records")):
                for other in alike[row["left_id"] or row["right_id"]]:
                    yield _match(judge, other, row, video_id)


def _pair(index: Index, whole: dict[str, Any], other: StoredVideo, video_id: str | None) -> dict[str, Any]:
    """Make the row of a pair that alignment takes; the id of the video in question is empty in it."""
    stored = index.read_video(other.number)
    is_left = video_id is not None and video_id < other.video_id
    sides = {"left": ("", whole), "right": (str(other.number), stored)}
    if not is_left:
        sides = {"left": sides["right"], "right": sides["left"]}
    row = {f"{side}_id": name for side, (name, _) in sides.items()}
    return row | {f"{side}_{column}": video[column] for side, (_, video) in sides.items() for column in stored}


def _match(judge: MatchContext, other: StoredVideo, row: dict[str, Any], video_id: str | None) -> Match:
    """Make a match of the evidence for a pair."""
    mine, theirs = ("left", "right") if row["left_id"] == "" else ("right", "left")
    is_inner = row[f"{mine}_coverage"] >= row[f"{theirs}_coverage"]
    is_told = row["relation"] in judge.relations or (row["relation"] == "contained" and is_inner)
    bounds = {name: row[f"{mine}_{name}"] for name in _BOUNDS}
    return Match(
        video_id=other.video_id,
        # A video that is kept is no duplicate of those that are kept for its sake.
        is_duplicate=is_told
        and row["match_probability"] >= judge.verifier.min_probability
        and _is_another(other, video_id),
        keeper_id=other.keeper_id,
        cluster_id=other.cluster_id,
        relation=row["relation"],
        match_probability=row["match_probability"],
        cosine_similarity=row["cosine_similarity"],
        alignment_similarity=row["alignment_similarity"],
        evidence=dict(zip(EVIDENCE, row["evidence"], strict=True)),
        **bounds,
        **{f"match_{name}": row[f"{theirs}_{name}"] for name in _BOUNDS},
    )


def match_twin(twin: StoredVideo, end_seconds: float, video_id: str | None) -> Match:
    """Make the match of a video whose file is the same: sure, and whole."""
    bounds = dict(zip(_BOUNDS, (0.0, end_seconds, 1.0), strict=True))
    return Match(
        video_id=twin.video_id,
        is_duplicate=_is_another(twin, video_id),
        keeper_id=twin.keeper_id,
        cluster_id=twin.cluster_id,
        relation="copy",
        match_probability=1.0,
        cosine_similarity=1.0,
        alignment_similarity=1.0,
        evidence={},
        **bounds,
        **{f"match_{name}": value for name, value in bounds.items()},
    )


def _is_another(other: StoredVideo, video_id: str | None) -> bool:
    """Tell whether a match's cluster keeps another video than the one in question."""
    return other.keeper_id is None or other.keeper_id != video_id


def conclude(
    judge: MatchContext, whole: dict[str, Any], matches: list[Match], num_compared: int, started: float
) -> Answer:
    """Sort the matches and draw the answer from them."""
    ranked = rank_matches(matches)
    chosen = choose_original(ranked)
    surest = chosen or (ranked[0] if ranked else None)
    return Answer(
        is_duplicate=chosen is not None,
        match_probability=0.0 if surest is None else surest.match_probability,
        original=None if chosen is None else name_original(chosen),
        matches=ranked,
        num_compared=num_compared,
        min_match_probability=judge.verifier.min_probability,
        model_id=judge.index.card.model_id,
        index_version=judge.index.card.version,
        content_sha256=whole["content_sha256"],
        duration_seconds=whole["end_seconds"],
        seconds=round(time.monotonic() - started, 6),
    )
