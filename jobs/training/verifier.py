"""Fit a verifier, which decides whether an aligned pair is reported, on labelled evidence. Runs on the driver."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jobs.errors import UsageError
from jobs.training.calibration import fit_platt
from models.verifier import EVIDENCE, FIRST_LOOK, Node, Verifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Values = NDArray[np.float64]

_DECIMALS = 6
_NUM_FOLDS = 5
_OPEN_SHARE = 0.99
"""Share of the pairs with shared footage that get a second look, at least."""
_MISSING_WEIGHT = 0.25
"""Of a pair without its second look: such pairs are fitted too, so that a verifier decides where a file is gone."""
_STRANGERS = 0.6
"""Weight of all pairs of different footage, relative to that of the pairs with shared footage."""
_MAX_FALSE_SHARE = 1e-4
_FALLING = frozenset({"place_disagreement", "differing_share"})
_UNORDERED = frozenset(
    {
        "smaller_coverage",
        "change",
        "offset_seconds",
        "log_speed",
        "aligned_seconds",
        "num_moments",
        "shared_area",
        "contrast_share",
        "pixel_change",
    }
)
"""Evidence that is not evidence by itself. More of any other never makes shared footage less probable."""
_MAX_LEAF_PAIRS, _LEAF_SHARE = 10, 0.05
"""A leaf has at least ten pairs, or a twentieth of the pairs with shared footage if those are few."""
_BOOSTING: dict[str, Any] = {
    "learning_rate": 0.1,
    "max_iter": 400,
    "max_features": 0.3,
    "max_leaf_nodes": 8,
    "max_depth": 4,
    "l2_regularization": 5.0,
    "early_stopping": False,
    "random_state": 0,
}


def label_evidence(evidence: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Add the column `shares_footage` to candidate pairs, and drop the pairs that the truth ignores.

    Args:
        evidence: columns left_id, right_id, evidence (a list of numbers).
        truth: as `jobs.evaluation.truth.Truth.pairs`. `copy` and `partial` pairs share footage; pairs that are not
            listed do not.
    """
    relations = truth.drop_duplicates(["left_id", "right_id"])[["left_id", "right_id", "relation"]]
    labelled = evidence.merge(relations, on=["left_id", "right_id"], how="left")
    counted = labelled[labelled["relation"] != "ignore"]
    return counted.assign(shares_footage=counted["relation"].isin(["copy", "partial"]))


def fit_verifier(
    labelled: pd.DataFrame, footage: pd.Series, num_negatives: int, target_precision: float, fitted_on: str
) -> Verifier:
    """Return the verifier of `fit_and_test`."""
    return fit_and_test(labelled, footage, num_negatives, target_precision, fitted_on)[0]


def fit_and_test(
    labelled: pd.DataFrame, footage: pd.Series, num_negatives: int, target_precision: float, fitted_on: str
) -> tuple[Verifier, Values]:
    """Fit the trees, map their sum to a probability, and choose the threshold.

    The pairs are weighted as a mixture in which takes of one scene are as frequent as pairs with shared footage. The
    probabilities and the threshold come from sums of trees that were fitted on other footage: the footage is split into
    five folds, and each fold is predicted by trees of the others. The map is Platt scaling
    (`jobs.training.calibration.fit_platt`).

    The threshold is the lowest that satisfies two rules: at least `target_precision` of the weighted pairs found share
    footage, and at most 1 in 10,000 of all pairs of different footage is found.

    Args:
        labelled: as `label_evidence` returns it.
        footage: the source of each video, indexed by video_id (`jobs.training.footage.read_footage`): pairs of one
            source that share no footage are takes, and no source is in two folds.
        num_negatives: number of all pairs of the videos that share no footage, candidates or not.
        target_precision: in [0, 1].
        fitted_on: description of the pairs, for the model card.

    Returns:
        The verifier, and the probability of each pair by trees that were fitted on other footage: (n,).

    Raises:
        UsageError: all pairs are positive, all are negative, there are too few sources, or no threshold satisfies both
            rules.
    """
    evidence = np.array(labelled["evidence"].to_list(), dtype=np.float64)
    is_positive = labelled["shares_footage"].to_numpy(dtype=bool)
    if is_positive.all() or not is_positive.any():
        raise UsageError(
            f"{int(is_positive.sum())} of {len(is_positive)} candidate pairs share footage, but a verifier is fitted "
            "on pairs that do and pairs that do not: add videos or pairs of the missing kind to the truth"
        )
    numbers = pd.Series(pd.factorize(footage, sort=True)[0], index=footage.index)
    left, right = (numbers[labelled[side]].to_numpy(np.int64) for side in ("left_id", "right_id"))
    weights = weigh_pairs(is_positive, left == right)
    sums = np.zeros(len(evidence))
    for is_held_out, is_seen in split_footage(left, right):
        if is_held_out.any():
            trees = _fit_trees(evidence[is_seen], is_positive[is_seen], weights[is_seen])
            sums[is_held_out] = trees.sum_trees(evidence[is_held_out])
    intercept, slope = fit_platt(sums, is_positive, weights)
    fitted = _fit_trees(evidence, is_positive, weights)
    verifier = replace(
        fitted, intercept=round(intercept, _DECIMALS), slope=round(slope, _DECIMALS), fitted_on=fitted_on
    )
    held_out = 1 / (1 + np.exp(-(intercept + slope * sums)))
    is_stranger = ~is_positive & (left != right)
    threshold = choose_weighted_threshold(held_out, is_positive, weights, is_stranger, num_negatives, target_precision)
    first_look = verifier.predict_first_look(evidence[is_positive][:, : len(FIRST_LOOK)])
    lowest = min(float(np.quantile(first_look, 1 - _OPEN_SHARE)), threshold)
    return replace(verifier, min_probability=threshold, min_open_probability=round(lowest, _DECIMALS)), held_out


def weigh_pairs(is_positive: Flags, has_one_source: Flags) -> Values:
    """Return weights with which takes weigh as much in all as positives, and strangers three fifths of that.

    Args:
        is_positive: bool (n,), whether a pair shares footage.
        has_one_source: bool (n,), whether both videos have a source in common; negatives of them are takes.
    """
    weights = np.ones(len(is_positive))
    for is_kind, share in ((~is_positive & has_one_source, 1.0), (~is_positive & ~has_one_source, _STRANGERS)):
        if is_kind.any():
            weights[is_kind] = share * is_positive.sum() / is_kind.sum()
    return weights


def split_footage(left: NDArray[np.int64], right: NDArray[np.int64]) -> Iterator[tuple[Flags, Flags]]:
    """Yield for each fold which pairs are held out, and which share no footage with the fold.

    Raises:
        UsageError: no pair is left to fit on.
    """
    names = np.unique(np.concatenate([left, right]))
    fold_of = np.random.default_rng(0).permutation(len(names)) % _NUM_FOLDS
    folds = [fold_of[np.searchsorted(names, side)] for side in (left, right)]
    for fold in range(_NUM_FOLDS):
        is_held_out, is_seen = folds[0] == fold, (folds[0] != fold) & (folds[1] != fold)
        if is_held_out.any() and not is_seen.any():
            raise UsageError(
                f"the candidate pairs have too few sources ({len(names)}) to test a verifier on sources that it is not "
                "fitted on: add videos of other footage to the truth"
            )
        yield is_held_out, is_seen


def _fit_trees(evidence: Values, is_positive: Flags, weights: Values) -> Verifier:
    """Fit gradient-boosted trees (Friedman 2001, Greedy Function Approximation), with and without the second look."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    first_only = evidence.copy()
    first_only[:, len(FIRST_LOOK) :] = np.nan
    with_and_without = np.concatenate([evidence, first_only])
    # Scikit-learn refuses evidence that no pair has; a constant is never split on.
    with_and_without[:, np.isnan(with_and_without).all(axis=0)] = 0.0
    signs = [0 if name in _UNORDERED else -1 if name in _FALLING else 1 for name in EVIDENCE]
    smallest_leaf = max(1, min(_MAX_LEAF_PAIRS, int(_LEAF_SHARE * is_positive.sum())))
    model = HistGradientBoostingClassifier(monotonic_cst=signs, min_samples_leaf=smallest_leaf, **_BOOSTING)
    model.fit(
        with_and_without,
        np.tile(is_positive, 2),
        sample_weight=np.concatenate([weights, _MISSING_WEIGHT * weights]),
    )
    trees = tuple(_read_tree(predictor.nodes) for (predictor,) in model._predictors)  # noqa: SLF001 -- no public access
    return Verifier(0.0, 0.0, 0.0, 1.0, trees, "")


def _read_tree(nodes: NDArray[np.void]) -> tuple[Node, ...]:
    """Read the nodes of a tree of scikit-learn."""
    return tuple(
        Node(
            evidence=-1 if node["is_leaf"] else int(node["feature_idx"]),
            threshold=0.0 if node["is_leaf"] else float(f"{node['num_threshold']:.9g}"),
            missing_goes_left=int(node["missing_go_to_left"]),
            left=int(node["left"]),
            right=int(node["right"]),
            value=round(float(node["value"]), _DECIMALS) if node["is_leaf"] else 0.0,
        )
        for node in nodes
    )


def choose_weighted_threshold(
    probabilities: Values,
    is_positive: Flags,
    weights: Values,
    is_stranger: Flags,
    num_negatives: int,
    target_precision: float,
) -> float:
    """Return the lowest threshold that reaches a weighted precision and finds at most 1 in 10,000 strangers.

    Takes of one scene do not count as strangers: the weights say how frequent they are.

    Raises:
        UsageError: no threshold reaches the precision.
    """
    order = np.argsort(-probabilities, kind="stable")
    falling, positive = probabilities[order], is_positive[order]
    true = np.cumsum(positive * weights[order])
    found = np.cumsum(weights[order])
    num_false = np.cumsum(is_stranger[order])
    is_last = np.append(falling[1:] < falling[:-1], True)
    is_allowed = is_last & (true >= target_precision * found) & (num_false <= _MAX_FALSE_SHARE * num_negatives)
    if not is_allowed.any():
        raise UsageError(
            f"no threshold reaches a precision of {target_precision}: these pairs cannot fit a verifier; "
            "look at their labels, or lower --target-precision"
        )
    return round(float(falling[np.flatnonzero(is_allowed).max()]), _DECIMALS)
