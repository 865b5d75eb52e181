-- A video in a cluster, the largest cluster first and its keeper first, with what is known of it and the keeper
SELECT c.cluster_id,
  n.num_videos,
  c.video_id,
  v.attributes['title'] AS title,
  v.owner_id,
  v.published_at,
  c.is_keeper,
  n.keeper_id,
  c.keeper_reason,
  c.joined_by,
  d.relation,
  d.match_probability,
  d.is_direct,
  d.is_exact,
  s.size_bytes,
  v.uri
FROM {clusters} c
JOIN (
  SELECT cluster_id, count(*) AS num_videos, max(CASE WHEN is_keeper THEN video_id END) AS keeper_id
  FROM {clusters}
  WHERE model_id = {MODEL_IN_USE}
  GROUP BY cluster_id
) n ON n.cluster_id = c.cluster_id
LEFT JOIN {duplicates} d ON d.video_id = c.video_id AND d.cluster_id = c.cluster_id AND d.model_id = c.model_id
LEFT JOIN {manifest} v ON v.video_id = c.video_id
LEFT JOIN {FILE_SIZES} s ON s.video_id = c.video_id
WHERE c.model_id = {MODEL_IN_USE}
ORDER BY n.num_videos DESC, c.cluster_id, c.is_keeper DESC, c.video_id
