"""Describes an export of vectors: a model card for programs and a README for people. Runs on the driver."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from jobs.config.settings import Config
from jobs.contracts.run import CODE_VERSION, add_windows_to_id
from jobs.contracts.times import format_utc
from jobs.sharing.selection import COLUMNS
from models.artefact import CARD_FILE, ModelCard, find_folder
from models.embedding_models import find_model
from udfs.embedding.embed import Windows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.lake.lake import Lake
    from jobs.sharing.selection import Segments

_README = """# Vectors of videos

Made by ndvr {ndvr_version} on {created_at}: {num_vectors} vectors of {num_videos} videos ({segments} segments), each of
{num_dims} numbers, by the model `{model_id}`.

`vectors/` holds Parquet files, one row per segment. `model_card.json` holds the facts of this page as JSON, and
describes the model: its training data and the licence of its weights.

| column | |
|---|---|
{columns}

Vectors have unit norm, so the inner product of two is their cosine similarity.{threshold}

```python
import pandas

vectors = pandas.read_parquet("vectors")
```
"""


def make_card(
    lake: Lake, model_id: str, segments: Segments, num_dims: int, num_videos: int, num_vectors: int
) -> dict[str, Any]:
    """Return the card of an export, as values that JSON can hold."""
    return {
        "model_id": model_id,
        "num_dims": num_dims,
        "distance": "cosine",
        "is_normalised": True,
        "segments": segments.value,
        "num_videos": num_videos,
        "num_vectors": num_vectors,
        "columns": COLUMNS,
        "lake": lake.root,
        "created_at": format_utc(datetime.now(UTC), "seconds"),
        "ndvr_version": CODE_VERSION,
        "model": find_model_card(lake, model_id),
    }


def find_model_card(lake: Lake, model_id: str) -> dict[str, Any] | None:
    """Return the card of a trained model, found through the settings of the newest run that used the model.

    Return None if the model has no card (`averaged`) or is not stored on this machine.
    """
    used = lake.read("runs").where((F.col("model_id") == model_id) & F.col("config").isNotNull())
    settings = used.agg(F.max_by("config", "started_at").alias("config")).collect()[0]["config"]
    sections: dict[str, Any] = json.loads(settings or "{}")
    try:
        config = Config(**{name: sections[name] for name in ("describe", "embeddings") if name in sections})
        describe, embeddings = config.describe, config.embeddings
        model = find_model(embeddings.method, describe.backbone, describe.descriptor_id, embeddings.artefact_dir)
    except ValueError:  # the model has moved, or another version of ndvr wrote the settings
        return None
    named = add_windows_to_id(model, Windows(embeddings.window_seconds, embeddings.hop_seconds))
    if model.artefact is None or named.model_id != model_id:
        return None
    return asdict(ModelCard.from_json((find_folder(model.artefact) / CARD_FILE).read_bytes()))


def write_readme(card: Mapping[str, Any]) -> str:
    """Return the README that accompanies a card."""
    columns = "\n".join(f"| `{name}` | {what} |" for name, what in card["columns"].items())
    calibration = (card["model"] or {}).get("calibration")
    threshold = ""
    if calibration:
        threshold = (
            f" Two whole videos at {calibration['min_cosine_similarity']} or above are likely copies: the threshold "
            f"was fitted on {calibration['fitted_on']}. Nightly runs look at aligned frames too."
        )
    return _README.format(**{**card, "columns": columns, "threshold": threshold})
