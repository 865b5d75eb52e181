-- A video and another one with which it shares footage, in both directions, identical files included
WITH contents AS (SELECT video_id, content_sha256, end_seconds FROM {CONTENTS} t),
sides AS (
  SELECT left_id AS own_id,
    right_id AS found_id,
    relation,
    match_probability,
    left_start_seconds AS start_seconds,
    left_end_seconds AS end_seconds,
    right_start_seconds AS other_start_seconds,
    right_end_seconds AS other_end_seconds,
    left_coverage AS coverage,
    right_coverage AS other_coverage
  FROM {pairs}
  WHERE model_id = {MODEL_IN_USE}
  UNION ALL
  SELECT right_id, left_id, relation, match_probability, right_start_seconds, right_end_seconds, left_start_seconds,
    left_end_seconds, right_coverage, left_coverage
  FROM {pairs}
  WHERE model_id = {MODEL_IN_USE}
),
expanded AS (
  SELECT a.video_id,
    b.video_id AS other_id,
    {RELATION_TO} AS relation,
    s.match_probability,
    false AS is_exact,
    s.start_seconds,
    s.end_seconds,
    s.other_start_seconds,
    s.other_end_seconds,
    s.coverage,
    s.other_coverage
  FROM contents a
  JOIN contents l ON l.content_sha256 = a.content_sha256
  JOIN sides s ON s.own_id = l.video_id
  JOIN contents r ON r.video_id = s.found_id
  JOIN contents b ON b.content_sha256 = r.content_sha256
  WHERE l.content_sha256 <> r.content_sha256
  UNION ALL
  SELECT a.video_id, b.video_id, 'copy', 1.0, true, 0.0, a.end_seconds, 0.0, b.end_seconds, 1.0, 1.0
  FROM contents a
  JOIN contents b ON b.content_sha256 = a.content_sha256
  WHERE a.video_id <> b.video_id
)
SELECT e.video_id,
  e.other_id,
  e.relation,
  e.match_probability,
  e.is_exact,
  e.start_seconds,
  e.end_seconds,
  e.other_start_seconds,
  e.other_end_seconds,
  e.coverage,
  e.other_coverage,
  d.verdict,
  v.attributes['title'] AS other_title,
  v.owner_id AS other_owner_id,
  v.uri AS other_uri
FROM expanded e
LEFT JOIN {DECIDED} d ON d.left_id = least(e.video_id, e.other_id) AND d.right_id = greatest(e.video_id, e.other_id)
LEFT JOIN {manifest} v ON v.video_id = e.other_id
