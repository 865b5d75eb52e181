-- A video whose file could not be read or described: why, whether it is tried again, and whether it was described before
SELECT q.video_id,
  v.attributes['title'] AS title,
  v.owner_id,
  q.error_code,
  q.attempts,
  CASE WHEN q.next_retry_at IS NULL THEN 'given up'
    WHEN q.next_retry_at > current_timestamp() THEN 'waiting'
    ELSE 'due' END AS state,
  q.next_retry_at,
  q.last_tried_at,
  q.error_detail,
  q.uri,
  d.video_id IS NOT NULL AS was_described
FROM {quarantine} q
LEFT JOIN {manifest} v ON v.video_id = q.video_id
LEFT JOIN (SELECT DISTINCT video_id FROM {descriptors}) d ON d.video_id = q.video_id
WHERE v.removed_at IS NULL
