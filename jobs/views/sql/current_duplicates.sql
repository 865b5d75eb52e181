-- A video that duplicates another, by the model in use, with the titles and owners of both
SELECT d.video_id,
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
WHERE d.model_id = {MODEL_IN_USE}
