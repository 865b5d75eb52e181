from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from models.registry import (
    Layer,
    WeightsFile,
    backbone_names,
    descriptor_id,
    get_backbone,
    register_backbone,
)

ROOT = Path(__file__).parents[3]
TINY = get_backbone("tiny")


def test_importing_the_registry_does_not_import_torch() -> None:
    code = "import models.registry, sys; print(sorted({'torch', 'torchvision', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_registered_names_are_sorted() -> None:
    lite0 = ("efficientnet_lite0", "efficientnet_lite0_ndvr")
    assert backbone_names() == ("alexnet", *lite0, "googlenet", "resnet50", "tiny", "vgg16")


@pytest.mark.parametrize(
    ("name", "dim", "num_layers"),
    [
        ("efficientnet_lite0", 3088, 17),
        ("efficientnet_lite0_ndvr", 3088, 17),
        ("googlenet", 5488, 9),
        ("vgg16", 4096, 11),
        ("resnet50", 3840, 4),
        ("alexnet", 1152, 5),
        ("tiny", 112, 3),
    ],
)
def test_a_descriptor_has_the_published_length(name: str, dim: int, num_layers: int) -> None:
    spec = get_backbone(name)
    assert (spec.dim, len(spec.layers)) == (dim, num_layers)


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "resnet50", "vgg16"])
def test_the_sha256_begins_with_the_digits_in_torchvisions_file_name(name: str) -> None:
    spec = get_backbone(name)
    assert spec.weights is not None
    assert spec.weights.url is not None
    assert spec.weights.url.endswith(f"/{spec.weights.file_name}")
    assert len(spec.weights_sha256) == 64
    published = Path(spec.weights.file_name).stem.rpartition("-")[2]
    assert len(published) == 8
    assert spec.weights_sha256.startswith(published)


def test_torchvision_still_publishes_these_weights() -> None:
    torchvision = pytest.importorskip("torchvision.models")
    for name, weights in [
        ("alexnet", torchvision.AlexNet_Weights.IMAGENET1K_V1),
        ("googlenet", torchvision.GoogLeNet_Weights.IMAGENET1K_V1),
        ("resnet50", torchvision.ResNet50_Weights.IMAGENET1K_V1),
        ("vgg16", torchvision.VGG16_Weights.IMAGENET1K_V1),
    ]:
        found = get_backbone(name).weights
        assert found is not None
        assert found.url == weights.url


def test_the_error_for_an_unknown_name_lists_the_registered_names() -> None:
    with pytest.raises(ValueError, match=r"unknown backbone 'vgg19': choose one of alexnet, .*vgg16"):
        get_backbone("vgg19")


def test_a_name_cannot_be_registered_twice() -> None:
    with pytest.raises(ValueError, match="'tiny' is already registered"):
        register_backbone(TINY)


def test_a_descriptor_id_is_readable_and_equal_on_all_machines() -> None:
    assert descriptor_id(TINY, 1.0, 8) == "tiny-1fps-09bb6385"
    assert descriptor_id(get_backbone("efficientnet_lite0"), 0.5, 8).startswith("efficientnet_lite0-0.5fps-")


def test_frames_per_second_may_be_an_int() -> None:
    assert descriptor_id(TINY, 1, 8) == descriptor_id(TINY, 1.0, 8)


@pytest.mark.parametrize(
    "changed",
    [
        dataclasses.replace(TINY, weights_sha256="f" * 64),
        dataclasses.replace(TINY, layers=(*TINY.layers[:2], Layer("conv4", 64))),
        dataclasses.replace(TINY, input_px=32),
        dataclasses.replace(TINY, mean=(0.5, 0.5, 0.4)),
        dataclasses.replace(TINY, std=(0.25, 0.25, 0.2)),
        dataclasses.replace(TINY, resize="squash"),
    ],
)
def test_settings_that_change_the_values_change_the_descriptor_id(changed: object) -> None:
    assert descriptor_id(changed, 1.0, 8) != descriptor_id(TINY, 1.0, 8)  # type: ignore[arg-type]  # a BackboneSpec


def test_sampling_changes_the_descriptor_id() -> None:
    ids = {descriptor_id(TINY, fps, frames) for fps in (1.0, 2.0) for frames in (8, 9)}
    assert len(ids) == 4


def test_the_pooling_version_changes_the_descriptor_id(monkeypatch: pytest.MonkeyPatch) -> None:
    before = descriptor_id(TINY, 1.0, 8)
    monkeypatch.setattr("models.registry.POOLING_VERSION", 10**6)
    assert descriptor_id(TINY, 1.0, 8) != before


def test_border_removal_and_its_version_change_the_descriptor_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, cut = descriptor_id(TINY, 1.0, 8), descriptor_id(TINY, 1.0, 8, cuts_borders=True)
    assert whole != cut
    monkeypatch.setattr("models.registry.BORDERS_VERSION", 10**6)
    assert descriptor_id(TINY, 1.0, 8) == whole
    assert descriptor_id(TINY, 1.0, 8, cuts_borders=True) != cut


def test_the_location_of_the_weights_does_not_change_the_descriptor_id() -> None:
    moved = dataclasses.replace(TINY, weights=WeightsFile("elsewhere.pth"), licence="another", source="a mirror")
    assert descriptor_id(moved, 1.0, 8) == descriptor_id(TINY, 1.0, 8)


def test_sampling_settings_out_of_range_are_rejected() -> None:
    with pytest.raises(ValueError, match="sampling_fps must be > 0, got 0"):
        descriptor_id(TINY, 0, 8)
    with pytest.raises(ValueError, match="min_frames must be >= 1, got 0"):
        descriptor_id(TINY, 1.0, 0)
