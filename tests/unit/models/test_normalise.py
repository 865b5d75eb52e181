"""The normalisations, with values that can be checked by hand."""

from __future__ import annotations

import numpy as np

from models.normalise import standardise, to_unit_norm


def test_a_standardised_row_has_mean_0_and_norm_1() -> None:
    np.testing.assert_allclose(standardise(np.array([[2.0, 1.0, 0.0]])), [[0.5**0.5, 0.0, -(0.5**0.5)]])


def test_brightness_and_contrast_do_not_change_a_standardised_row() -> None:
    plain, changed = standardise(np.array([[2.0, 1.0, 0.0], [25.0, 15.0, 5.0]]))
    np.testing.assert_allclose(plain, changed)


def test_a_constant_row_becomes_zeros_and_not_scaled_rounding_errors() -> None:
    assert standardise(np.full((1, 3), 7.0)).tolist() == [[0.0, 0.0, 0.0]]
    assert np.abs(standardise(np.full((1, 3), 0.1))).max() < 1e-6


def test_vectors_have_unit_norm_and_a_zero_row_stays_zero() -> None:
    vectors = to_unit_norm(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0.0, 0.0]])


def test_norms_of_half_precision_rows_are_computed_in_double_precision() -> None:
    """The square of 300 overflows half precision."""
    np.testing.assert_allclose(to_unit_norm(np.array([[300.0, 400.0]], np.float16)), [[0.6, 0.8]], rtol=1e-6)
