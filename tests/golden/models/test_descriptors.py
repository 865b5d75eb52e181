"""Descriptors of generated images against stored ones, which regenerate.py made."""

from __future__ import annotations

import numpy as np
import pytest

from models.describer import has_bf16, load_describer
from models.pooling import pool_video
from tests.golden.models.regenerate import BACKBONES, GOLDEN, make_images


@pytest.mark.parametrize("backbone", BACKBONES)
def test_fp32_descriptors_are_the_stored_ones(backbone: str) -> None:
    describer = load_describer(backbone)
    found = describer.describe(make_images(describer.spec.input_px))
    with np.load(GOLDEN) as golden:
        assert found == pytest.approx(golden[backbone], abs=1e-4)
        assert pool_video(found) == pytest.approx(golden[f"{backbone}_video"], abs=1e-5)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.skipif(not has_bf16("cpu"), reason="this CPU does not compute in bf16")
def test_bf16_descriptors_are_close_to_the_stored_ones(backbone: str) -> None:
    describer = load_describer(backbone, precision="bf16")
    found = describer.describe(make_images(describer.spec.input_px))
    with np.load(GOLDEN) as golden:
        expected = golden[backbone]
        cosines = (found * expected).sum(axis=1) / len(describer.spec.layers)
        assert cosines.min() > 0.99
        assert pool_video(found) @ golden[f"{backbone}_video"] > 0.995


def test_the_four_images_are_told_apart() -> None:
    with np.load(GOLDEN) as golden:
        vectors = np.stack([pool_video(row[np.newaxis]) for row in golden["efficientnet_lite0_ndvr"]])
    similarities = vectors @ vectors.T
    assert similarities[~np.eye(4, dtype=bool)].max() < 0.9
