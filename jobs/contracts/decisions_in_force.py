"""SQL over rows of the table `decisions`: which of several decisions about the same videos applies."""

from __future__ import annotations


def write_newest_decision(value: str) -> str:
    """Return the SQL aggregate over decisions about the same videos: a value of the newest, which applies."""
    return f"max_by({value}, decided_at)"


DECISIONS_IN_FORCE = f"""(
  SELECT left_id, right_id, {write_newest_decision("verdict")} AS verdict
  FROM {{decisions}}
  GROUP BY left_id, right_id
  HAVING NOT {write_newest_decision("is_withdrawn")}
)"""  # noqa: S608 -- of literals
"""SQL of `jobs.clustering.decisions.decisions_in_force`, with the columns that views read."""
