-- A cluster, the largest first, with its keeper, owners and bytes
SELECT c.cluster_id,
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
ORDER BY num_videos DESC, c.cluster_id
