from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs.config.operation import QualityConfig
from jobs.engine.audits import Finding, audit, audit_estimate, report_failed_gates
from jobs.engine.measures import Measures
from jobs.errors import QualityError
from jobs.tables.estimates import Estimate, Share
from jobs.tables.manifest import check_removed

HALF_OF_FOUR = QualityConfig(max_failed_fraction=0.5, min_attempts=4)
FROM_TEN = QualityConfig(min_videos=10, max_cluster_fraction=0.3, max_pairs_per_new_video=2.0)
NOW = datetime(2024, 5, 1, tzinfo=UTC)
USUAL = {"failed_fraction": 0.02, "clustered_fraction": 0.2, "pairs_per_video": 0.5}


def find(config: QualityConfig, history: list[dict[str, float]] | None = None, **measures: Any) -> dict[str, Finding]:
    """Return the findings by name of the audit."""
    return {finding.audit: finding for finding in audit(Measures(**measures), history or [], config)}


def tripped(config: QualityConfig, history: list[dict[str, float]] | None = None, **measures: Any) -> list[str]:
    """Return the names of the tripped audits."""
    return [name for name, finding in find(config, history, **measures).items() if finding.is_tripped]


def test_a_share_of_failures_at_the_limit_passes() -> None:
    assert tripped(HALF_OF_FOUR, num_described=2, error_counts={"NOT_FOUND": 2}) == []


def test_a_share_of_failures_above_the_limit_trips_and_reports_numbers_codes_limit_and_remedy() -> None:
    measures = Measures(num_described=1, error_counts={"NOT_FOUND": 2, "CORRUPT": 3})
    assert report_failed_gates(audit(measures, [], HALF_OF_FOUR)) == (
        "1 audit tripped:\n"
        "  failed_fraction 0.8333: 5 of 6 videos failed (CORRUPT 3, NOT_FOUND 2); quality.max_failed_fraction is 0.5. "
        "Look at the quarantine table, fix the cause, and release the videos: ndvr quarantine --release-code"
    )


def test_failures_are_not_audited_below_the_minimum_of_attempts() -> None:
    assert find(HALF_OF_FOUR, num_described=0, error_counts={"NOT_FOUND": 3}) == {}


def test_a_run_without_attempts_passes() -> None:
    assert find(QualityConfig(max_failed_fraction=0.0, min_attempts=1)) == {}


def test_a_limit_of_one_never_trips() -> None:
    config = QualityConfig(max_failed_fraction=1.0, min_attempts=1)
    assert tripped(config, error_counts={"NOT_FOUND": 100}) == []


def test_a_cluster_above_its_share_of_the_videos_trips() -> None:
    large = {"num_videos": 10, "largest_cluster_id": "c-1", "num_clustered": 4}
    assert tripped(FROM_TEN, **large, num_in_largest=3) == []
    found = find(FROM_TEN, **large, num_in_largest=4)["largest_cluster_fraction"]
    assert found.is_tripped
    assert found.what == "4 of 10 videos are in one cluster (c-1)"


def test_the_largest_cluster_is_not_audited_in_a_small_lake() -> None:
    assert tripped(FROM_TEN, num_videos=9, num_in_largest=9, num_clustered=9) == []


def test_an_average_number_of_pairs_of_new_videos_above_the_limit_trips() -> None:
    assert tripped(FROM_TEN, num_videos=99, num_new_videos=10, num_new_pairs=20) == []
    assert tripped(FROM_TEN, num_videos=99, num_new_videos=10, num_new_pairs=21) == ["pairs_per_new_video"]
    assert tripped(FROM_TEN, num_videos=99, num_new_videos=9, num_new_pairs=900) == []


def test_a_cluster_without_keeper_trips_in_a_lake_of_any_size() -> None:
    assert tripped(QualityConfig(), num_videos=4, num_clustered=4, num_without_keeper=0) == []
    assert tripped(QualityConfig(), num_videos=4, num_clustered=4, num_without_keeper=2) == ["without_keeper_fraction"]


@pytest.mark.parametrize(
    ("num_clustered", "trips"),
    [(200, False), (999, False), (39, True), (40, False)],
)
def test_a_clustered_share_from_a_fifth_to_five_times_its_median_passes(num_clustered: int, trips: bool) -> None:
    measures = {"num_videos": 1000, "num_clustered": num_clustered, "num_pairs": 500}
    found = tripped(QualityConfig(), [USUAL] * 3, **measures)
    assert found == (["drift_of_clustered_fraction"] if trips else [])


def test_a_rise_of_pairs_per_video_is_drift() -> None:
    measures = {"num_videos": 1000, "num_clustered": 200, "num_pairs": 2600}
    found = find(QualityConfig(), [USUAL] * 3, **measures)["drift_of_pairs_per_video"]
    assert found.value == pytest.approx(5.2)
    assert found.what == "pairs_per_video is 2.6; its median over the last 3 published runs is 0.5"
    assert found.is_tripped


def test_fewer_failures_than_usual_are_not_drift() -> None:
    often = [USUAL | {"failed_fraction": 0.5}] * 3
    assert tripped(QualityConfig(), often, num_described=2000) == []
    seldom = [USUAL | {"failed_fraction": 0.01}] * 3
    failed = {"num_described": 900, "error_counts": {"CORRUPT": 100}}
    assert tripped(QualityConfig(), seldom, **failed) == ["drift_of_failed_fraction"]


def test_shares_below_one_percent_count_as_one_percent() -> None:
    never = [USUAL | {"failed_fraction": 0.0}] * 3
    assert tripped(QualityConfig(), never, num_described=960, error_counts={"CORRUPT": 40}) == []


def test_drift_is_not_audited_before_the_fourth_run_or_in_a_small_lake() -> None:
    measures = {"num_videos": 1000, "num_clustered": 1000, "num_pairs": 9000}
    assert find(QualityConfig(max_cluster_fraction=1.0), [USUAL] * 2, **measures).keys() == {
        "largest_cluster_fraction",
        "without_keeper_fraction",
    }
    assert tripped(QualityConfig(), [USUAL] * 3, num_videos=999, num_clustered=999, num_pairs=9000) == []


def test_the_median_is_over_the_newest_runs_that_measured_the_value() -> None:
    """Runs without anything to publish measure only failures."""
    idle = {"failed_fraction": 0.02}
    history = [idle, USUAL, idle, USUAL, USUAL, *([USUAL | {"pairs_per_video": 50.0}] * 9)]
    measures = {"num_videos": 1000, "num_clustered": 200, "num_pairs": 500}
    assert tripped(QualityConfig(drift_runs=3), history, **measures) == []
    assert tripped(QualityConfig(drift_runs=7), history, **measures) == ["drift_of_pairs_per_video"]


def test_a_ratio_with_denominator_zero_has_no_value() -> None:
    assert Measures().values == {}
    assert Measures(num_described=3, error_counts={"CORRUPT": 1}).values == {"failed_fraction": 0.25}


def test_no_estimate_is_needed_unless_a_precision_is_required() -> None:
    assert audit_estimate(None, NOW, QualityConfig()) == []


def test_a_required_precision_needs_an_estimate() -> None:
    required = QualityConfig(min_precision=0.99)
    for estimate in (None, Estimate("s", NOW, 3, recall=Share(1.0, 0.5, 1.0, 3))):
        assert report_failed_gates(audit_estimate(estimate, NOW, required)) == (
            "1 audit tripped:\n"
            "  missing_estimates 1: precision has not been measured for this model; quality.min_precision is 0.99. "
            "Draw pairs with ndvr sample, answer, and run ndvr estimate"
        )


def test_an_old_sample_or_a_low_precision_trips() -> None:
    required = QualityConfig(min_precision=0.99, max_estimate_age_days=30)
    good, bad = Share(0.99, 0.96, 0.999, 60), Share(0.98, 0.95, 0.99, 60)
    recent, old = NOW - timedelta(days=29), NOW - timedelta(days=31)

    def list_tripped(share: Share, drawn_at: datetime) -> list[str]:
        estimate = Estimate("s", drawn_at, 60, duplicates_precision=share)
        return [found.audit for found in audit_estimate(estimate, NOW, required) if found.is_tripped]

    assert list_tripped(good, recent) == []
    assert list_tripped(good, old) == ["estimate_age_days"]
    assert list_tripped(bad, recent) == ["false_fraction"]
    assert list_tripped(bad, old) == ["estimate_age_days", "false_fraction"]


def test_there_is_no_report_without_tripped_audits() -> None:
    assert report_failed_gates(audit(Measures(num_described=100), [], QualityConfig())) is None


def test_a_complete_manifest_that_drops_too_many_known_videos_is_rejected() -> None:
    config = QualityConfig(max_removed_fraction=0.5, min_attempts=4)
    check_removed(2, 4, config)
    check_removed(3, 3, config)
    with pytest.raises(QualityError, match=r"does not list 3 of 4 known videos.*Pass the whole manifest"):
        check_removed(3, 4, config)


def test_the_exit_code_of_a_quality_error_is_4() -> None:
    assert QualityError.exit_code == 4
