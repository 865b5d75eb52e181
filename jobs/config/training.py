"""The settings of training, and what a head can be trained for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from jobs.config.operation import Positive, PositiveFloat, Section

Cosine = Annotated[float, Field(ge=-1, le=1)]


class Objective(StrEnum):
    """What a head is trained for. Each value is also the name of a method (`models.embedding_models.Method`)."""

    DISCRIMINATIVE = "discriminative"
    CONTRASTIVE = "contrastive"
    BATCH_HARD = "batch_hard"
    TRIPLET = "triplet"
    WHITENED = "whitened"


class TrainingConfig(Section):
    """How `ndvr train-triplets` trains. Null: the default of the objective (`jobs.training.heads.choose_config`)."""

    objective: Objective = Field(Objective.DISCRIMINATIVE, description="what the head is trained for")
    fusion: Literal["early", "late"] | None = Field(
        None, description="early: embed the averaged descriptor; late: embed each frame"
    )
    source: str = Field(
        "attributes['source_id']",
        description="SQL expression on the manifest; videos of the same footage have the same value",
    )
    held_out: str | None = Field(
        None, description="SQL condition: videos that validate the epochs; null: 15 % of the sources"
    )
    licence: str = Field("not stated", description="licence of the trained weights, for the model card")
    frames_per_video: Positive = Field(12, description="largest number of frames of a video")
    num_views: Positive = Field(10, description="edited copies of each frame")
    max_negative_cosine: Cosine = Field(
        0.97, description="a video nearer to the anchor is not a negative, as it may be an unknown duplicate"
    )
    max_negatives_per_pair: Positive = Field(
        20, description="number of hardest negatives of a pair (objective triplet)"
    )
    take_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.25,
        description="share of the triplets whose negative is another take, a part of the same video, where there are "
        "enough (objective triplet); 0 for the mining of the paper",
    )
    max_take_sources: Positive = Field(
        100, description="number of sources that takes are cut from, each into two to four parts"
    )
    layers: tuple[Positive, ...] | None = Field(None, description="number of outputs of each layer", min_length=1)
    margin: PositiveFloat | None = Field(None, description="margin of the triplet loss")
    learning_rate: PositiveFloat | None = Field(None, description="learning rate of Adam")
    weight_decay: Annotated[float, Field(ge=0)] | None = Field(None, description="weight decay of Adam")
    batch_size: Positive | None = Field(None, description="triplets or frames in a batch")
    epochs: Positive | None = Field(None, description="passes over the training data")
    temperature: PositiveFloat | None = Field(None, description="temperature of InfoNCE")
    koleo_weight: Annotated[float, Field(ge=0)] | None = Field(None, description="weight of the KoLeo term")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="seed of all random numbers")
