"""Compares one video with videos of the index, and makes the answer from the matches."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from jobs.errors import TimeLimitError
from jobs.one_video.answer import Answer, Match, choose_exact_match, choose_original, get_original_id, rank_matches
from jobs.one_video.stored_pictures import StoredPictures
from models.verifier import EVIDENCE
from udfs.clustering.containment import name_relation_to
from udfs.registering.look_batches import look_batches
from udfs.verifying.verify_batches import align_batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.one_video.index.reader import Index, StoredVideo
    from jobs.one_video.stored_pictures import ThumbnailMaker
    from models.verifier import Verifier

_PAIRS_AT_ONCE = 16
"""Pairs that are verified between two checks of the deadline: at most a second, if each gets a second look."""
_BOUNDS = ("start_seconds", "end_seconds", "coverage")


@dataclass(frozen=True)
class MatchContext:
    """The index that a video is compared with, and the rules that decide.

    Attributes:
        index: the stored videos.
        verifier: returns the probability of a pair, and has the threshold.
        relations: relations that make a video a duplicate (`clusters.relations`).
    """

    index: Index
    verifier: Verifier
    relations: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """The video in question.

    Attributes:
        whole: the row of `embeddings` of the whole video, with thumbnails.
        video_id: its id, if known; see `Checker.check`.
        first_id: the smallest id of the videos with identical files. It decides which video of a pair is the left one,
            because runs compare the first of identical videos. None if no id is known: then other ids are smaller.
    """

    whole: dict[str, Any]
    video_id: str | None
    first_id: str | None

    @classmethod
    def of(cls, whole: dict[str, Any], video_id: str | None, identical: list[StoredVideo]) -> Question:
        """Make the question about a video, given the stored videos with identical files."""
        known = [video.video_id for video in identical] + ([] if video_id is None else [video_id])
        return cls(whole, video_id, min(known, default=None))


def compare_with_candidates(
    context: MatchContext,
    question: Question,
    candidates: list[StoredVideo],
    deadline: float | None,
    make_thumbnails: ThumbnailMaker,
) -> Iterator[Match]:
    """Align a video with candidates and compute the probability of each match.

    Candidates with identical files are aligned once.

    Args:
        context: the index and the rules.
        question: the video in question.
        candidates: videos of the index.
        deadline: time of the monotonic clock, or None.
        make_thumbnails: decodes frames of stored videos without thumbnails, as `VideoEmbedder.make_thumbnails`.

    Raises:
        TimeLimitError: the deadline has passed.
    """
    import pandas as pd

    def check_deadline() -> None:
        if deadline is not None and time.monotonic() > deadline:
            raise TimeLimitError(f"the time limit was reached after {begin} of {len(firsts)} candidates")

    by_content: dict[str, list[StoredVideo]] = {}
    for candidate in sorted(candidates, key=lambda video: video.video_id):
        by_content.setdefault(candidate.content_sha256, []).append(candidate)
    identical = {str(videos[0].number): videos for videos in by_content.values()}
    firsts = [videos[0] for videos in by_content.values()]
    for begin in range(0, len(firsts), _PAIRS_AT_ONCE):
        check_deadline()
        pairs = [_make_pair(context.index, question, first) for first in firsts[begin : begin + _PAIRS_AT_ONCE]]
        aligned = align_batches(iter([pd.DataFrame(pairs)]), context.verifier)
        pictures = StoredPictures(context.index, identical, make_thumbnails, check_deadline)
        looked = (pictures.add_to(rows, question.whole["thumbnails"]) for rows in aligned)
        for rows in look_batches(looked, context.verifier):
            for row in cast("list[dict[str, Any]]", rows.to_dict("records")):
                for candidate in identical[row["left_id"] or row["right_id"]]:
                    yield _make_match(context, candidate, row, question.video_id)


def _make_pair(index: Index, question: Question, other: StoredVideo) -> dict[str, Any]:
    """Make the input row of a pair for the verifier; the id of the video in question is empty."""
    stored = index.read_video(other.number)
    is_left = question.first_id is not None and question.first_id < other.video_id
    sides = {"left": ("", question.whole), "right": (str(other.number), stored)}
    if not is_left:
        sides = {"left": sides["right"], "right": sides["left"]}
    row = {f"{side}_id": name for side, (name, _) in sides.items()}
    return row | {f"{side}_{column}": video[column] for side, (_, video) in sides.items() for column in stored}


def _make_match(context: MatchContext, other: StoredVideo, row: dict[str, Any], video_id: str | None) -> Match:
    """Make a match from the verified row of a pair."""
    mine, theirs = ("left", "right") if row["left_id"] == "" else ("right", "left")
    relation = name_relation_to(row["relation"], row[f"{mine}_coverage"], row[f"{theirs}_coverage"])
    # A video that contains the match is no duplicate of it, whatever joins clusters.
    is_original = relation == "contained" or relation in context.relations
    bounds = {name: row[f"{mine}_{name}"] for name in _BOUNDS}
    return Match(
        video_id=other.video_id,
        is_exact=False,
        # The keeper of a cluster is not a duplicate of its other members.
        is_duplicate=is_original
        and row["match_probability"] >= context.verifier.min_probability
        and _has_other_keeper(other, video_id),
        keeper_id=other.keeper_id,
        cluster_id=other.cluster_id,
        relation=relation,
        match_probability=row["match_probability"],
        cosine_similarity=row["cosine_similarity"],
        alignment_similarity=row["alignment_similarity"],
        evidence={
            name: None if math.isnan(value) else value for name, value in zip(EVIDENCE, row["evidence"], strict=True)
        },
        **bounds,
        **{f"match_{name}": row[f"{theirs}_{name}"] for name in _BOUNDS},
    )


def match_identical_file(identical: StoredVideo, question: Question) -> Match:
    """Make the match of a video whose file is identical: probability 1, over the whole video."""
    bounds = dict(zip(_BOUNDS, (0.0, question.whole["end_seconds"], 1.0), strict=True))
    return Match(
        video_id=identical.video_id,
        is_exact=True,
        is_duplicate=_has_other_keeper(identical, question.video_id),
        keeper_id=identical.keeper_id,
        cluster_id=identical.cluster_id,
        relation="copy",
        match_probability=1.0,
        cosine_similarity=1.0,
        alignment_similarity=1.0,
        evidence={},
        **bounds,
        **{f"match_{name}": value for name, value in bounds.items()},
    )


def _has_other_keeper(other: StoredVideo, video_id: str | None) -> bool:
    """Return whether the video in question is not the keeper of a match's cluster."""
    return other.keeper_id is None or other.keeper_id != video_id


def make_answer(
    context: MatchContext, question: Question, matches: list[Match], num_compared: int, started: float
) -> Answer:
    """Rank the matches and make the answer from them."""
    ranked = rank_matches(matches)
    chosen = choose_original(ranked)
    best = chosen or (ranked[0] if ranked else None)
    return Answer(
        is_duplicate=chosen is not None,
        match_probability=0.0 if best is None else best.match_probability,
        original=None if chosen is None else get_original_id(chosen),
        exact_match=choose_exact_match(ranked),
        matches=ranked,
        num_compared=num_compared,
        min_match_probability=context.verifier.min_probability,
        model_id=context.index.card.model_id,
        index_version=context.index.card.version,
        content_sha256=question.whole["content_sha256"],
        duration_seconds=question.whole["end_seconds"],
        seconds=round(time.monotonic() - started, 6),
    )
