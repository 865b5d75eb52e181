-- An owner: how many of the videos are copies of a keeper or contained in it, and their bytes
SELECT v.owner_id,
  count(*) AS num_duplicates,
  sum(s.size_bytes) AS reclaimable_bytes
FROM {clusters} c
JOIN {duplicates} d ON d.video_id = c.video_id AND d.cluster_id = c.cluster_id AND d.model_id = c.model_id
JOIN {FILE_SIZES} s ON s.video_id = c.video_id
LEFT JOIN {manifest} v ON v.video_id = c.video_id
WHERE NOT c.is_keeper AND d.relation IN ('copy', 'contained') AND c.model_id = {MODEL_IN_USE}
GROUP BY v.owner_id
ORDER BY reclaimable_bytes DESC, v.owner_id
