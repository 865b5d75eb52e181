-- A duplicate that the last published run found or changed
SELECT d.video_id,
  v.attributes['title'] AS title,
  v.owner_id,
  d.duplicate_of,
  d.relation,
  d.match_probability,
  d.cluster_id
FROM {duplicates} d
LEFT JOIN {manifest} v ON v.video_id = d.video_id
WHERE d.model_id = {MODEL_IN_USE}
  AND d.run_id = {NEWEST_RUN}
