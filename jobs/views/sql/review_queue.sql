-- A pair that a person should look at and nobody has decided about, the least probable first, with the reason
WITH found AS (
  SELECT p.left_id,
    p.right_id,
    p.match_probability,
    p.relation,
    CASE WHEN l.cluster_id = r.cluster_id THEN l.cluster_id END AS cluster_id,
    p.left_start_seconds,
    p.left_end_seconds,
    p.right_start_seconds,
    p.right_end_seconds
  FROM {pairs} p
  LEFT JOIN {clusters} l ON l.video_id = p.left_id AND l.model_id = p.model_id
  LEFT JOIN {clusters} r ON r.video_id = p.right_id AND r.model_id = p.model_id
  WHERE p.model_id = {MODEL_IN_USE} AND p.relation <> 'common'
),
largest AS (
  SELECT cluster_id, count(*) AS num_videos
  FROM {clusters}
  WHERE model_id = {MODEL_IN_USE}
  GROUP BY cluster_id
  HAVING count(*) > 2
  ORDER BY num_videos DESC, cluster_id
  LIMIT {num_large_clusters}
),
weakest AS (
  SELECT f.cluster_id,
    min_by(f.left_id, struct(f.match_probability, f.left_id, f.right_id)) AS left_id,
    min_by(f.right_id, struct(f.match_probability, f.left_id, f.right_id)) AS right_id
  FROM largest g
  JOIN {clusters} c ON c.cluster_id = g.cluster_id
  JOIN found f ON f.left_id = least(c.video_id, c.joined_by) AND f.right_id = greatest(c.video_id, c.joined_by)
  WHERE c.model_id = {MODEL_IN_USE} AND c.joined_by IS NOT NULL AND f.match_probability < 1
  GROUP BY f.cluster_id
),
doubtful AS (
  SELECT f.left_id,
    f.right_id,
    CASE WHEN f.match_probability < {certain_from} THEN 'uncertain'
      WHEN f.relation = 'copy' AND f.cluster_id IS NULL THEN 'separated'
      WHEN w.left_id IS NOT NULL THEN 'large_cluster' END AS reason,
    f.match_probability,
    f.relation,
    f.cluster_id,
    f.left_start_seconds,
    f.left_end_seconds,
    f.right_start_seconds,
    f.right_end_seconds
  FROM found f
  LEFT JOIN weakest w ON w.left_id = f.left_id AND w.right_id = f.right_id
  UNION ALL
  SELECT least(video_id, duplicate_of), greatest(video_id, duplicate_of), 'chain', match_probability, relation,
    cluster_id, NULL, NULL, NULL, NULL
  FROM {duplicates}
  WHERE model_id = {MODEL_IN_USE} AND NOT is_direct
)
SELECT q.left_id,
  q.right_id,
  q.reason,
  q.match_probability,
  q.relation,
  q.cluster_id,
  l.attributes['title'] AS left_title,
  r.attributes['title'] AS right_title,
  l.owner_id AS left_owner_id,
  r.owner_id AS right_owner_id,
  q.left_start_seconds,
  q.left_end_seconds,
  q.right_start_seconds,
  q.right_end_seconds,
  l.uri AS left_uri,
  r.uri AS right_uri
FROM doubtful q
LEFT JOIN {manifest} l ON l.video_id = q.left_id
LEFT JOIN {manifest} r ON r.video_id = q.right_id
LEFT ANTI JOIN {DECIDED} d ON d.left_id = q.left_id AND d.right_id = q.right_id
WHERE q.reason IS NOT NULL AND l.removed_at IS NULL AND r.removed_at IS NULL
ORDER BY q.match_probability, q.left_id, q.right_id
