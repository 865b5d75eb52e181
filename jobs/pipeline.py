"""The pipeline on one screen: which stage builds which table from which inputs, in order."""

from __future__ import annotations

from jobs.contracts.stage import Loop, Stage
from jobs.tables import (
    answers,
    attempts,
    claims,
    cluster_events,
    clusters,
    decisions,
    descriptors,
    duplicates,
    embeddings,
    estimates,
    fingerprints,
    manifest,
    pairs,
    quarantine,
    runs,
    samples,
    search_cells,
    segment_codes,
    thumbnails,
)

PIPELINE = (
    # Its build writes the rows with the checked files before it returns them.
    Stage(manifest.TABLE, reads=("manifest_source", "manifest"), build=manifest.build, is_staged=False),
    Loop(
        (
            Stage(
                attempts.TABLE,
                reads=("due",),
                build=attempts.build,
                is_transient=True,
            ),
            # Thumbnails come first: a video with descriptors is done, so a killed run must not commit only these.
            Stage(thumbnails.TABLE, reads=("attempts",), build=thumbnails.build, is_staged=False),
            Stage(descriptors.TABLE, reads=("attempts", "descriptors"), build=descriptors.build, is_staged=False),
            Stage(quarantine.TABLE, reads=("attempts", "quarantine"), build=quarantine.build, within="attempts"),
        )
    ),
    Stage(embeddings.TABLE, reads=("descriptors", "embeddings"), build=embeddings.build),
    Stage(fingerprints.TABLE, reads=("embeddings", "fingerprints"), build=fingerprints.build),
    Stage(
        search_cells.TABLE,
        reads=("manifest", "quarantine", "embeddings", "fingerprints", "seen_embeddings", "search_cells"),
        build=search_cells.build,
    ),
    Stage(
        segment_codes.TABLE,
        reads=("manifest", "quarantine", "embeddings", "fingerprints", "search_cells", "segment_codes"),
        build=segment_codes.build,
        is_appended=True,
    ),
    Stage(
        pairs.TABLE,
        reads=(
            *("manifest", "quarantine", "embeddings", "fingerprints", "search_cells", "segment_codes"),
            *("thumbnails", "descriptors", "seen_embeddings", "pairs"),
        ),
        build=pairs.build,
        is_published=True,
    ),
    Stage(
        clusters.TABLE,
        reads=("manifest", "quarantine", "descriptors", "pairs", "decisions", "cluster_events", "clusters"),
        build=clusters.build,
        is_published=True,
    ),
    Stage(
        cluster_events.TABLE,
        reads=("clusters", "cluster_events"),
        build=cluster_events.build,
        is_published=True,
        is_journal=True,
    ),
    Stage(
        duplicates.TABLE,
        reads=("clusters", "embeddings", "pairs", "decisions"),
        build=duplicates.build,
        is_published=True,
    ),
)

STAGES = tuple(stage for step in PIPELINE for stage in (step.stages if isinstance(step, Loop) else (step,)))
_MEASUREMENTS = (samples.TABLE, answers.TABLE, estimates.TABLE)
TABLES = (
    *(stage.builds for stage in STAGES if not stage.is_transient),
    decisions.TABLE,
    *_MEASUREMENTS,
    runs.TABLE,
    claims.TABLE,
)
"""All tables, in the order in which they are documented."""
_SEARCH_TABLES = (fingerprints.TABLE, search_cells.TABLE, segment_codes.TABLE)
NIGHTLY_TABLES = tuple(table for table in TABLES if table not in _MEASUREMENTS)
"""The tables that every run needs. `ndvr sample` and `ndvr estimate` make the others when they are first used."""
REQUIRED_TABLES = tuple(table for table in NIGHTLY_TABLES if table not in _SEARCH_TABLES)
"""The tables of every lake that a run has written. A lake of an earlier version gets those of its search in its next
run."""
