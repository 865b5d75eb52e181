-- A row of duplicates that the last published run added, removed or changed, with its values before
SELECT coalesce(n.video_id, o.video_id) AS video_id,
  v.attributes['title'] AS title,
  v.owner_id,
  CASE WHEN o.video_id IS NULL THEN 'added' WHEN n.video_id IS NULL THEN 'removed' ELSE 'changed' END AS change,
  coalesce(n.cluster_id, o.cluster_id) AS cluster_id,
  n.duplicate_of,
  o.duplicate_of AS duplicate_of_before,
  n.relation,
  o.relation AS relation_before,
  n.match_probability,
  o.match_probability AS match_probability_before,
  n.is_direct,
  o.is_direct AS is_direct_before,
  n.is_exact,
  o.is_exact AS is_exact_before
FROM (SELECT * FROM {duplicates} WHERE model_id = {MODEL_IN_USE}) n
FULL JOIN (SELECT * FROM {duplicates_before_last_run} WHERE model_id = {MODEL_IN_USE}) o
  ON o.video_id = n.video_id AND o.cluster_id = n.cluster_id
LEFT JOIN {manifest} v ON v.video_id = coalesce(n.video_id, o.video_id)
WHERE n.video_id IS NULL
  OR o.video_id IS NULL
  OR NOT (n.duplicate_of = o.duplicate_of
    AND n.relation = o.relation
    AND n.match_probability = o.match_probability
    AND n.cosine_similarity <=> o.cosine_similarity
    AND n.is_direct = o.is_direct
    AND n.is_exact <=> o.is_exact)
ORDER BY change, video_id, cluster_id
