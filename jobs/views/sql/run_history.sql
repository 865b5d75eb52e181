-- A run, the newest first: how it ended, what it did, and which stage took longest
SELECT run_id,
  max(run_date) AS run_date,
  max(started_at) AS started_at,
  max(CASE WHEN stage IN ('run', 'backfill') THEN status END) AS status,
  max(CASE WHEN stage IN ('run', 'backfill') THEN seconds END) AS seconds,
  max(CASE WHEN stage IN ('run', 'descriptors') THEN num_rows END) AS num_described,
  max(CASE WHEN stage IN ('run', 'backfill')
    THEN aggregate(map_values(error_counts), 0L, (sum, n) -> sum + n) END) AS num_quarantined,
  max(CASE WHEN stage = 'pairs' THEN num_rows END) AS num_pairs,
  max(CASE WHEN stage = 'duplicates' THEN num_rows END) AS num_duplicates,
  max_by(stage, CASE WHEN stage NOT IN ('run', 'backfill') THEN seconds END) AS slowest_stage,
  max(CASE WHEN stage NOT IN ('run', 'backfill') THEN seconds END) AS slowest_stage_seconds,
  max(search_plan) AS search_plan,
  max(search_recall) AS search_recall,
  max(model_id) AS model_id,
  max(CASE WHEN stage IN ('run', 'backfill') THEN error_detail END) AS error_detail
FROM {runs}
GROUP BY run_id
ORDER BY started_at DESC, run_id DESC
