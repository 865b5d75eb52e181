from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from models.backbones import build_backbone
from models.describer import (
    FrameDescriber,
    choose_device,
    choose_precision,
    has_bf16,
    limit_threads,
    load_describer,
)
from models.pooling import max_pool_maps
from models.registry import get_backbone
from models.weights import load_state_dict

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

TINY = get_backbone("tiny")
needs_cpu_bf16 = pytest.mark.skipif(not has_bf16("cpu"), reason="this CPU does not compute in bf16")


def random_frames(num_frames: int, px: int = TINY.input_px, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (num_frames, px, px, 3), dtype=np.uint8)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def set_cpu_flags(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    return lambda **flags: monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)


def test_frames_are_normalised_run_through_the_network_and_pooled() -> None:
    frames = random_frames(2)
    pixels = torch.tensor(frames).permute(0, 3, 1, 2) / 255
    normalised = (pixels - torch.tensor(TINY.mean).view(3, 1, 1)) / torch.tensor(TINY.std).view(3, 1, 1)
    expected = max_pool_maps(build_backbone(TINY, load_state_dict(TINY))(normalised))
    found = FrameDescriber(TINY).describe(frames)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected.numpy(), abs=1e-5)


def test_channels_are_rgb() -> None:
    red, blue = np.zeros((2, 1, 64, 64, 3), dtype=np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    describer = FrameDescriber(TINY)
    assert np.abs(describer.describe(red) - describer.describe(blue)).max() > 0.05


def test_the_norm_of_a_descriptor_is_the_square_root_of_the_number_of_layers() -> None:
    norms = np.linalg.norm(FrameDescriber(TINY).describe(random_frames(3)), axis=1)
    assert norms == pytest.approx([3**0.5] * 3, abs=1e-5)


@pytest.mark.parametrize(
    ("backbone", "precision"),
    [
        ("tiny", "fp32"),
        ("efficientnet_lite0", "fp32"),
        pytest.param("efficientnet_lite0", "bf16", marks=needs_cpu_bf16),
    ],
)
def test_a_descriptor_does_not_depend_on_the_batch_or_the_position_in_it(backbone: str, precision: str) -> None:
    describer = load_describer(backbone, precision=precision, batch_frames=4)
    px = describer.spec.input_px
    frames, others = random_frames(5, px), random_frames(4, px, seed=1)
    expected = describer.describe(frames)  # a full batch, then a batch of one
    assert np.array_equal(describer.describe(frames[::-1]), expected[::-1])
    for position in range(4):
        mixed = others.copy()
        mixed[position] = frames[0]
        assert np.array_equal(describer.describe(mixed)[position], expected[0])
    assert np.array_equal(describer.describe(frames[:1])[0], expected[0])


def test_no_frames_give_no_descriptors() -> None:
    assert FrameDescriber(TINY).describe(random_frames(0)).shape == (0, 112)


def test_read_only_frames_are_accepted() -> None:
    frames = random_frames(2)
    frames.flags.writeable = False
    assert FrameDescriber(TINY).describe(frames).shape == (2, 112)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((1, 64, 64, 3), dtype=np.float32), "got float32 of shape"),
        (np.zeros((1, 32, 64, 3), dtype=np.uint8), r"got uint8 of shape \(1, 32, 64, 3\)"),
        (np.zeros((64, 64, 3), dtype=np.uint8), r"got uint8 of shape \(64, 64, 3\)"),
        (np.zeros((1, 3, 64, 64), dtype=np.uint8), r"needs uint8 frames of shape \(n, 64, 64, 3\)"),
    ],
)
def test_frames_of_another_shape_or_dtype_are_rejected(frames: NDArray[np.uint8], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FrameDescriber(TINY).describe(frames)


def test_a_network_that_returns_nan_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    describer = FrameDescriber(TINY)
    monkeypatch.setattr(describer, "_net", lambda frames: [torch.full((len(frames), 112, 1, 1), torch.nan)])
    with pytest.raises(FloatingPointError, match="tiny returned NaN or infinity in fp32"):
        describer.describe(random_frames(1))


def test_settings_out_of_range_are_rejected() -> None:
    with pytest.raises(ValueError, match="precision must be one of fp32, bf16, got 'auto'"):
        FrameDescriber(TINY, precision="auto")
    with pytest.raises(ValueError, match="batch_frames must be >= 1, got 0"):
        FrameDescriber(TINY, batch_frames=0)


def test_a_describer_is_built_once_per_settings() -> None:
    assert load_describer("tiny", batch_frames=2) is load_describer("tiny", batch_frames=2)
    assert load_describer("tiny", batch_frames=2) is not load_describer("tiny", batch_frames=3)


def test_without_cuda_the_device_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device(()) == "cpu"
    assert choose_device(["1"]) == "cpu"


@pytest.mark.usefixtures("two_gpus")
def test_the_device_is_the_gpu_that_spark_assigned() -> None:
    assert choose_device(["1"]) == "cuda:1"
    assert choose_device(["1", "0"]) == "cuda:1"
    assert choose_device(()) == "cuda:0"


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("address", ["2", "GPU-5f1c", "-1"])
def test_an_address_that_is_no_gpu_index_is_rejected(address: str) -> None:
    with pytest.raises(ValueError, match=f"assigned the GPU '{address}', but torch sees 2 GPUs"):
        choose_device([address])


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", "bf16"])
def test_auto_is_bf16_if_the_cpu_supports_it(set_cpu_flags: Callable[..., None], flag: str) -> None:
    set_cpu_flags(**{flag: True})
    assert choose_precision("auto", "cpu") == "bf16"
    assert choose_precision("bf16", "cpu") == "bf16"
    assert choose_precision("fp32", "cpu") == "fp32"


def test_auto_is_fp32_on_other_cpus(set_cpu_flags: Callable[..., None]) -> None:
    set_cpu_flags(avx2=True, avx512_bf16=False)
    assert choose_precision("auto", "cpu") == "fp32"


def test_bf16_is_rejected_if_the_cpu_does_not_support_it(set_cpu_flags: Callable[..., None]) -> None:
    set_cpu_flags(avx2=True)
    with pytest.raises(ValueError, match='precision is "bf16", but cpu does not support it in hardware'):
        choose_precision("bf16", "cpu")


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_auto_on_a_gpu_depends_on_its_compute_capability(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    assert choose_precision("auto", "cuda:0") == expected


def test_an_unknown_precision_is_rejected() -> None:
    with pytest.raises(ValueError, match="precision must be one of auto, fp32, bf16, got 'fp16'"):
        choose_precision("fp16", "cpu")


def test_the_number_of_threads_can_be_limited() -> None:
    before = torch.get_num_threads()
    try:
        limit_threads(1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("precision", "atol"), [("fp32", 0.01), ("bf16", 0.1)])
def test_descriptors_of_gpu_and_cpu_agree(precision: str, atol: float) -> None:
    frames = random_frames(5, 224)
    expected = load_describer("efficientnet_lite0", batch_frames=4).describe(frames)
    gpu = load_describer("efficientnet_lite0", device="cuda:0", precision=precision, batch_frames=4)
    found = gpu.describe(frames)
    assert found == pytest.approx(expected, abs=atol)
    assert np.array_equal(gpu.describe(frames[::-1]), found[::-1])
