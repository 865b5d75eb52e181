-- A cluster, the largest first, with its keeper, owners and bytes
SELECT c.cluster_id,
  count(*) AS num_videos,
  count(DISTINCT v.owner_id) AS num_owners,
  max(CASE WHEN c.is_keeper THEN c.video_id END) AS keeper_id,
  max(CASE WHEN c.is_keeper THEN v.attributes['title'] END) AS keeper_title,
  sum(s.size_bytes) AS total_bytes,
  sum(CASE WHEN d.relation IN ('copy', 'contained') THEN s.size_bytes ELSE 0 END) AS reclaimable_bytes
FROM {clusters} c
LEFT JOIN {manifest} v ON v.video_id = c.video_id
LEFT JOIN {duplicates} d ON d.video_id = c.video_id AND d.cluster_id = c.cluster_id AND d.model_id = c.model_id
LEFT JOIN {FILE_SIZES} s ON s.video_id = c.video_id
WHERE c.model_id = {MODEL_IN_USE}
GROUP BY c.cluster_id
ORDER BY num_videos DESC, c.cluster_id
