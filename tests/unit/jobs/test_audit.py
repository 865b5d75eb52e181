from __future__ import annotations

import pytest

from jobs.audit import check_attempts
from jobs.config import QualityConfig
from jobs.errors import QualityError

HALF_OF_FOUR = QualityConfig(max_failed_fraction=0.5, min_attempts=4)


def test_a_share_of_failures_at_the_limit_passes() -> None:
    check_attempts(2, {"NOT_FOUND": 2}, HALF_OF_FOUR)


def test_a_share_above_the_limit_trips_and_names_numbers_codes_limit_and_way_out() -> None:
    message = (
        r"5 of 6 videos failed \(CORRUPT 3, NOT_FOUND 2\); quality.max_failed_fraction is 0.5. "
        r"Nothing was published. Look at the quarantine table"
    )
    with pytest.raises(QualityError, match=message):
        check_attempts(1, {"NOT_FOUND": 2, "CORRUPT": 3}, HALF_OF_FOUR)


def test_fewer_tries_than_the_minimum_say_nothing() -> None:
    check_attempts(0, {"NOT_FOUND": 3}, HALF_OF_FOUR)


def test_a_night_without_tries_passes() -> None:
    check_attempts(0, {}, QualityConfig(max_failed_fraction=0.0, min_attempts=1))


def test_a_limit_of_one_never_trips() -> None:
    check_attempts(0, {"NOT_FOUND": 100}, QualityConfig(max_failed_fraction=1.0, min_attempts=1))


def test_the_gate_ends_a_job_with_4() -> None:
    assert QualityError.exit_code == 4
