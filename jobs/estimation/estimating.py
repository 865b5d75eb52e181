"""Computes precision, recall, a threshold and the use of more answers from an answered sample. Pandas only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.estimation.intervals import Answered, Interval, estimate_recall, estimate_share
from jobs.tables.answers import SHARES_FOOTAGE
from jobs.tables.estimates import QUANTITIES, Estimate, Share

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd
    from numpy.typing import NDArray

NUM_MORE = 50
"""Answers whose use is predicted."""


@dataclass(frozen=True)
class Threshold:
    """The lowest threshold that reaches a wanted precision.

    Attributes:
        min_probability: for `pairs.min_match_probability`.
        precision: of the pairs at or above it.
        found_share: positive pairs at or above it, relative to those published now; above 1 for a lower threshold.
    """

    min_probability: float
    precision: Share
    found_share: float


def estimate_sample(answered: pd.DataFrame, sample_id: str, drawn_at: datetime, num_more: int = 0) -> Estimate:
    """Estimate precision and recall.

    Args:
        answered: rows of `samples` with the column `verdict`, null without an answer.
        sample_id: its id.
        drawn_at: when it was drawn, UTC.
        num_more: predict the intervals with this number of further answers of the same kind.
    """
    populations = (
        (_of_pairs(answered), shares_footage(answered)),
        (_of_duplicates(answered), has_right_relation(answered)),
    )
    total = int(answered["verdict"].notna().sum())
    factor = num_more / total if total else 0.0
    shares: list[Share | None] = []
    for is_member, is_right in populations:
        part = group_answers(answered[is_member], is_right[is_member])
        shares.append(None if part is None else _share(estimate_share(_enlarge(part, factor)), part))
    return Estimate(sample_id, drawn_at, total, shares[0], shares[1], _estimate_recall(answered, factor))


def shares_footage(answered: pd.DataFrame) -> NDArray[np.bool_]:
    """Return whether the two share footage, by the answers."""
    return answered["verdict"].isin(SHARES_FOOTAGE).to_numpy(dtype=bool)


def has_right_relation(answered: pd.DataFrame) -> NDArray[np.bool_]:
    """Return whether a row of `duplicates` claims no more than the answer: a copy must be a duplicate."""
    is_copy = (answered["duplicate_relation"] == "copy").to_numpy(dtype=bool)
    is_duplicate = (answered["verdict"] == "duplicate").to_numpy(dtype=bool)
    return np.where(is_copy, is_duplicate, shares_footage(answered))


def group_answers(rows: pd.DataFrame, is_right: NDArray[np.bool_]) -> Answered | None:
    """Count the answers of each stratum; None without answers.

    A stratum without answers joins the one with answers whose probability is nearest.

    Args:
        rows: rows of `samples` with the column `verdict`.
        is_right: bool (n,), whether the answer is positive.
    """
    counted = (
        rows.assign(has_answer=rows["verdict"].notna(), is_right=is_right & rows["verdict"].notna())
        .groupby("stratum", sort=True)
        .agg(
            size=("stratum_size", "first"),
            variance=("stratum_size_variance", "first"),
            right=("is_right", "sum"),
            answers=("has_answer", "sum"),
            probability=("match_probability", "mean"),
        )
    )
    known = counted[counted["answers"] > 0].copy()
    if known.empty:
        return None
    for _, stratum in counted[counted["answers"] == 0].iterrows():
        nearest = (known["probability"] - stratum["probability"]).abs().idxmin()
        known.loc[nearest, ["size", "variance"]] += stratum[["size", "variance"]]
    columns = ("size", "right", "answers", "variance")
    return Answered(*(known[name].to_numpy(dtype=np.float64) for name in columns))


def choose_threshold(answered: pd.DataFrame, precision: float) -> Threshold | None:
    """Return the lowest threshold whose pairs reach a precision, by the estimate.

    It is None if no threshold does, or if no pair that is published has an answer.

    Thresholds below the one in use are tried too, because rejected candidates are in the sample. If no answer is about
    a pair between the threshold found and a lower one that is in use, the one in use is returned. The interval of the
    precision takes the share of a stratum above the threshold as known.

    Args:
        answered: as for `estimate_sample`.
        precision: wanted, in [0, 1].
    """
    is_known = answered["verdict"].notna() & ~_is_only_by_path(answered)
    rows = answered[is_known].sort_values("match_probability", kind="stable")
    if not rows["is_published"].any():
        return None
    is_right = shares_footage(rows)
    weights = (rows["stratum_size"] / rows.groupby("stratum")["stratum"].transform("size")).to_numpy(np.float64)
    probabilities = rows["match_probability"].to_numpy(np.float64)
    above = np.cumsum((weights * is_right)[::-1])[::-1], np.cumsum(weights[::-1])[::-1]
    is_first = np.append(True, probabilities[1:] > probabilities[:-1])
    reaches = np.flatnonzero(is_first & (above[0] >= precision * above[1]))
    if not len(reaches):
        return None
    threshold = float(probabilities[reaches[0]])
    is_above = rows["match_probability"] >= threshold
    kept = rows[is_above].copy()
    drawn = rows.groupby("stratum")["stratum"].size()
    taken = kept.groupby("stratum")["stratum"].transform("size")
    kept["stratum_size"] *= taken / kept["stratum"].map(drawn)
    part = group_answers(kept, shares_footage(kept))
    published = float((weights * is_right)[rows["is_published"].to_numpy(dtype=bool)].sum())
    if part is None:
        return None
    found = float(above[0][reaches[0]]) / published if published else 1.0
    in_use = float(answered["min_probability"].iloc[0])
    if in_use < threshold and not ((probabilities >= in_use) & (probabilities < threshold)).any():
        threshold = in_use
    return Threshold(threshold, _share(estimate_share(part), part), found)


def predict_widths(answered: pd.DataFrame, now: Estimate) -> dict[str, tuple[float, float]]:
    """Return for each quantity the width of its interval now, and with `NUM_MORE` more answers."""
    more = estimate_sample(answered, now.sample_id, now.drawn_at, NUM_MORE)
    pairs = {name: (getattr(now, name), getattr(more, name)) for name in QUANTITIES}
    return {name: (a.high - a.low, b.high - b.low) for name, (a, b) in pairs.items() if a and b}


def _estimate_recall(answered: pd.DataFrame, factor: float) -> Share | None:
    """Estimate the share of the candidates with shared footage that are in `pairs` or `duplicates`."""
    is_found = _of_pairs(answered) | _of_duplicates(answered)
    is_right = shares_footage(answered)
    found = group_answers(answered[is_found], is_right[is_found])
    missed = group_answers(answered[~is_found], is_right[~is_found])
    if found is None or missed is None:
        return None
    interval = estimate_recall(_enlarge(found, factor), _enlarge(missed, factor))
    return None if interval is None else _share(interval, found.join(missed))


def _of_pairs(answered: pd.DataFrame) -> NDArray[np.bool_]:
    return answered["is_published"].to_numpy(dtype=bool)


def _of_duplicates(answered: pd.DataFrame) -> NDArray[np.bool_]:
    return answered["duplicate_relation"].notna().to_numpy(dtype=bool)


def _is_only_by_path(answered: pd.DataFrame) -> Any:  # noqa: ANN401 - a Series of booleans
    """Return whether two videos are in `duplicates` without a pair: no threshold decides about them."""
    return _of_duplicates(answered) & ~_of_pairs(answered)


def _enlarge(part: Answered, factor: float) -> Answered:
    return part.with_more(factor) if factor else part


def _share(interval: Interval, part: Answered) -> Share:
    return Share(*interval, num_answers=int(part.num_answers.sum()))
