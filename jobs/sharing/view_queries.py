"""The SQL of the views: `{table}` stands for a table of the lake, whatever its name is where the view is created."""

from __future__ import annotations

import string
from dataclasses import dataclass

_SHARED = {
    # That of the newest run that was published: tables may hold the rows of several.
    "{MODEL_IN_USE}": "(SELECT max_by(model_id, started_at) FROM {runs} WHERE stage = 'run' AND status = 'done')",
    # A video may have descriptors of several kinds; its size is that of the file that was read last.
    "{FILE_SIZES}": "(SELECT video_id, max_by(size_bytes, described_at) AS size_bytes FROM {descriptors} GROUP BY 1)",
}


@dataclass(frozen=True)
class View:
    """A question that is asked often.

    Attributes:
        name: of the view.
        grain: what a row is, in one line; becomes the view's comment.
        text: Spark SQL, with each table's name in braces, and the parts that several views share.
    """

    name: str
    grain: str
    text: str

    @property
    def query(self) -> str:
        """The text with the shared parts written out."""
        query = self.text
        for name, part in _SHARED.items():
            query = query.replace(name, part)
        return query

    @property
    def tables(self) -> set[str]:
        """The tables that it reads."""
        return {field for _, field, _, _ in string.Formatter().parse(self.query) if field}


VIEWS = (
    View(
        "current_duplicates",
        "A video that duplicates another, by the model in use, with the titles and owners of both",
        """SELECT d.video_id,
  v.attributes['title'] AS title,
  v.owner_id,
  v.published_at,
  d.duplicate_of,
  k.attributes['title'] AS duplicate_of_title,
  k.owner_id AS duplicate_of_owner_id,
  d.relation,
  d.match_probability,
  d.cluster_id,
  s.size_bytes,
  v.uri,
  d.run_id
FROM {duplicates} d
LEFT JOIN {manifest} v ON v.video_id = d.video_id
LEFT JOIN {manifest} k ON k.video_id = d.duplicate_of
LEFT JOIN {FILE_SIZES} s ON s.video_id = d.video_id
WHERE d.model_id = {MODEL_IN_USE}""",
    ),
    View(
        "reclaimable_bytes",
        "An owner: how many of the videos are duplicates of a keeper, and their bytes",
        """SELECT v.owner_id,
  count(*) AS num_duplicates,
  sum(s.size_bytes) AS reclaimable_bytes
FROM {clusters} c
JOIN {FILE_SIZES} s ON s.video_id = c.video_id
LEFT JOIN {manifest} v ON v.video_id = c.video_id
WHERE NOT c.is_keeper AND c.model_id = {MODEL_IN_USE}
GROUP BY v.owner_id
ORDER BY reclaimable_bytes DESC, v.owner_id""",
    ),
    View(
        "new_duplicates",
        "A duplicate that the last published run found or changed",
        """SELECT d.video_id,
  v.attributes['title'] AS title,
  v.owner_id,
  d.duplicate_of,
  d.relation,
  d.match_probability,
  d.cluster_id
FROM {duplicates} d
LEFT JOIN {manifest} v ON v.video_id = d.video_id
WHERE d.model_id = {MODEL_IN_USE}
  AND d.run_id = (SELECT max(run_id) FROM {runs} WHERE stage = 'run' AND status = 'done')""",
    ),
    View(
        "biggest_clusters",
        "A cluster, the largest first, with its keeper, owners and bytes",
        """SELECT c.cluster_id,
  count(*) AS num_videos,
  count(DISTINCT v.owner_id) AS num_owners,
  max(CASE WHEN c.is_keeper THEN c.video_id END) AS keeper_id,
  max(CASE WHEN c.is_keeper THEN v.attributes['title'] END) AS keeper_title,
  sum(s.size_bytes) AS total_bytes,
  sum(CASE WHEN c.is_keeper THEN 0 ELSE s.size_bytes END) AS reclaimable_bytes
FROM {clusters} c
LEFT JOIN {manifest} v ON v.video_id = c.video_id
LEFT JOIN {FILE_SIZES} s ON s.video_id = c.video_id
WHERE c.model_id = {MODEL_IN_USE}
GROUP BY c.cluster_id
ORDER BY num_videos DESC, c.cluster_id""",
    ),
    View(
        "review_queue",
        "A pair about which nobody has decided, the least certain first",
        """SELECT p.left_id,
  p.right_id,
  p.match_probability,
  p.relation,
  l.attributes['title'] AS left_title,
  r.attributes['title'] AS right_title,
  p.left_start_seconds,
  p.left_end_seconds,
  p.right_start_seconds,
  p.right_end_seconds,
  l.uri AS left_uri,
  r.uri AS right_uri
FROM {pairs} p
LEFT JOIN {manifest} l ON l.video_id = p.left_id
LEFT JOIN {manifest} r ON r.video_id = p.right_id
LEFT ANTI JOIN (
  SELECT left_id, right_id FROM {decisions}
  GROUP BY left_id, right_id HAVING NOT max_by(is_withdrawn, decided_at)
) d ON d.left_id = p.left_id AND d.right_id = p.right_id
WHERE p.model_id = {MODEL_IN_USE} AND p.relation <> 'common' AND l.removed_at IS NULL AND r.removed_at IS NULL
ORDER BY abs(p.match_probability - 0.5), p.left_id, p.right_id""",
    ),
    View(
        "quarantined_videos",
        "A video that could not be described: why, and whether it is tried again",
        """SELECT q.video_id,
  v.attributes['title'] AS title,
  v.owner_id,
  q.error_code,
  q.attempts,
  CASE WHEN q.next_retry_at IS NULL THEN 'given up'
    WHEN q.next_retry_at > current_timestamp() THEN 'waiting'
    ELSE 'due' END AS state,
  q.next_retry_at,
  q.last_tried_at,
  q.error_detail,
  q.uri
FROM {quarantine} q
LEFT JOIN {manifest} v ON v.video_id = q.video_id
WHERE v.removed_at IS NULL""",
    ),
    View(
        "run_history",
        "A run, the newest first: how it ended, what it did, and which stage took longest",
        """SELECT run_id,
  max(run_date) AS run_date,
  max(started_at) AS started_at,
  max(CASE WHEN stage IN ('run', 'backfill') THEN status END) AS status,
  max(CASE WHEN stage IN ('run', 'backfill') THEN seconds END) AS seconds,
  max(CASE WHEN stage IN ('run', 'descriptors') THEN num_rows END) AS num_described,
  max(CASE WHEN stage IN ('run', 'backfill')
    THEN aggregate(map_values(error_counts), 0L, (sum, n) -> sum + n) END) AS num_quarantined,
  max(CASE WHEN stage = 'pairs' THEN num_rows END) AS num_pairs,
  max(CASE WHEN stage = 'duplicates' THEN num_rows END) AS num_duplicates,
  max_by(stage, CASE WHEN stage NOT IN ('run', 'backfill') THEN seconds END) AS slowest_stage,
  max(CASE WHEN stage NOT IN ('run', 'backfill') THEN seconds END) AS slowest_stage_seconds,
  max(search_plan) AS search_plan,
  max(search_recall) AS search_recall,
  max(model_id) AS model_id,
  max(CASE WHEN stage IN ('run', 'backfill') THEN error_detail END) AS error_detail
FROM {runs}
GROUP BY run_id
ORDER BY started_at DESC, run_id DESC""",
    ),
)
