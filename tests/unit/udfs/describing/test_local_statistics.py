from __future__ import annotations

import numpy as np
import pytest

from udfs.describing.local_statistics import measure_locally, window_px


def test_the_window_is_an_eleventh_of_the_longer_side_odd_and_at_least_9_px() -> None:
    assert window_px((126, 224)) == 21
    assert window_px((224, 126)) == 21
    assert window_px((10, 20)) == 9


def test_mean_and_variance_are_those_of_the_window() -> None:
    picture = np.zeros((40, 60), np.float32)
    picture[20, 30] = 81  # one of the 81 px of its window
    stats = measure_locally(picture, 9)
    assert (stats.mean[20, 30], stats.variance[20, 30]) == (pytest.approx(1), pytest.approx(80, rel=1e-4))
    assert (stats.mean[0, 0], stats.variance[0, 0]) == (0, 0)
    assert stats.mean.dtype == stats.variance.dtype == np.float32
