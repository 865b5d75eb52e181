-- A pair about which nobody has decided, the least certain first
SELECT p.left_id,
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
ORDER BY abs(p.match_probability - 0.5), p.left_id, p.right_id
