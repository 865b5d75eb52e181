"""What verification saw of one pair of videos, in numbers and in words. Runs on the driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pyspark.sql import functions as F

from jobs.tables import pairs, thumbnails
from models.embedding_models import find_model

if TYPE_CHECKING:
    from jobs.config.settings import Config
    from jobs.lake.lake import Lake

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


def verify_two(lake: Lake, left_id: str, right_id: str, model_id: str, config: Config) -> Verdict | None:
    """Verify two videos of a lake as a night does.

    Args:
        lake: with `embeddings`, and `thumbnails` if they are stored.
        left_id: a video.
        right_id: another video.
        model_id: the model whose embeddings are compared.
        config: settings of the night, for the artefact and the search.

    Returns:
        What verification makes of them, or None if they are no candidate, do not align, or the model has no verifier.
    """
    describe = config.describe
    model = find_model("auto", describe.backbone, describe.descriptor_id, config.embeddings.artefact_dir)
    if model.verifier is None:
        return None
    of_two = F.col("video_id").isin(left_id, right_id)
    segments = lake.read("embeddings").where((F.col("model_id") == model_id) & of_two)
    stored = thumbnails.read_stored(lake).where((F.col("descriptor_id") == model.descriptor_id) & of_two)
    row = pairs.find_evidence(segments, stored, config.pairs).first()
    if row is None:
        return None
    probability = float(model.verifier.predict_probability(np.array([row["evidence"]], np.float64))[0])
    chosen = config.pairs.min_match_probability
    threshold = model.verifier.min_probability if chosen is None else chosen
    return Verdict(probability, threshold, row["place_agreement"], row["change_agreement"])
