"""What verification saw of one pair of videos, in numbers and in words. Runs on the driver."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from pyspark.sql import functions as F

from jobs.contracts.run import choose_verifier, find_configured_model
from jobs.lake.file_skipping import covers
from jobs.tables import pairs, thumbnails

if TYPE_CHECKING:
    from jobs.config.settings import Config
    from jobs.lake.lake import Lake
    from models.verifier import Verifier

_SAME_PLACE, _SAME_MOTION = 0.5, 0.3
"""Agreements from which words say "same". They do not decide: the verifier weighs all evidence."""


@dataclass(frozen=True)
class Verdict:
    """What verification makes of two videos.

    Attributes:
        match_probability: that they share footage, in [0, 1].
        min_probability: from which a pair is published.
        place_agreement: see the table `pairs`; None without a second look.
        change_agreement: see the table `pairs`; None if nothing changes.
    """

    match_probability: float
    min_probability: float
    place_agreement: float | None
    change_agreement: float | None

    def describe(self) -> str:
        """Return a sentence."""
        seen = describe_look(self.place_agreement, self.change_agreement) or "no second look"
        return f"{seen}; probability {self.match_probability:.3f}, published from {self.min_probability:.3f}"


def describe_look(place_agreement: float | None, change_agreement: float | None) -> str:
    """Return in words what the second look saw; empty without a second look.

    For example "same place, different motion (places .91, changes .05)": two takes of one scene.
    """
    if place_agreement is None:
        return ""
    place = "same place" if place_agreement >= _SAME_PLACE else "other place, or strongly edited"
    numbers = f"places {place_agreement:.2f}"
    if change_agreement is None:
        return f"{place}, nothing moves ({numbers})"
    motion = "same motion" if change_agreement >= _SAME_MOTION else "different motion"
    return f"{place}, {motion} ({numbers}, changes {change_agreement:.2f})"


def choose_pair_verifier(model_id: str, config: Config) -> Verifier | None:
    """Return the verifier of a model, or None if the settings name another model or one without a verifier.

    Raises:
        UsageError: the configured model does not exist.
    """
    model = find_configured_model(config)
    return choose_verifier(config, model) if model.model_id == model_id else None


def verify_two(
    lake: Lake, left_id: str, right_id: str, model_id: str, verifier: Verifier, config: Config
) -> Verdict | None:
    """Verify two videos of a lake as a night does.

    Args:
        lake: with `embeddings` and `descriptors`, and `thumbnails` if they are stored.
        left_id: a video.
        right_id: another video.
        model_id: the model whose embeddings are compared.
        verifier: of that model, as `choose_pair_verifier` returns it.
        config: settings of the night, for the search.

    Returns:
        What verification makes of them, or None if they are no candidate or do not align.
    """
    of_two = covers("video_id", (left_id, right_id))
    segments = lake.read("embeddings").where((F.col("model_id") == model_id) & of_two)
    sources = thumbnails.read_sources(lake, config.describe.descriptor_id, config)
    sources = replace(
        sources, thumbnails=sources.thumbnails.where(of_two), descriptors=sources.descriptors.where(of_two)
    )
    row = pairs.find_evidence(segments, sources, config.pairs).first()
    if row is None:
        return None
    probability = float(verifier.predict_probability(np.array([row["evidence"]], np.float64))[0])
    return Verdict(probability, verifier.min_probability, row["place_agreement"], row["change_agreement"])
