"""Describe frames on a CPU or a GPU: normalisation, backbone and pooling, in batches of a fixed shape."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.backbones import build_backbone
from models.pooling import max_pool_maps
from models.registry import get_backbone
from models.weights import load_state_dict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.registry import BackboneSpec

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class FrameDescriber:
    """A backbone on a device, followed by the pooling.

    All batches have the same shape: a short batch is padded with black frames. So torch always chooses the same
    kernels, and the descriptor of a frame is bit-identical whatever other frames are in its batch. Another
    `batch_frames`, number of threads or processor may change the last digits (2e-6 in fp32).

    Args:
        spec: the backbone.
        device: "cpu" or "cuda:<index>".
        precision: "fp32" or "bf16", of the network; normalisation and pooling always use float32.
        batch_frames: frames per batch, >= 1.
        weights_dir: folder that is searched for the weights first.
        allow_download: whether the weights may be downloaded with torch.hub.

    Raises:
        ValueError: precision or batch_frames is out of range.
        WeightsError: the weights are missing or are not the published ones.
    """

    def __init__(
        self,
        spec: BackboneSpec,
        device: str = "cpu",
        precision: str = "fp32",
        batch_frames: int = 8,
        *,
        weights_dir: str | Path | None = None,
        allow_download: bool = False,
    ) -> None:
        if precision not in _DTYPES:
            raise ValueError(f"precision must be one of {', '.join(_DTYPES)}, got {precision!r}")
        if batch_frames < 1:
            raise ValueError(f"batch_frames must be >= 1, got {batch_frames}")
        self.spec = spec
        self.device = torch.device(device)
        self.precision = precision
        self.batch_frames = batch_frames
        # Weights are cast once. Autocast would cast them again for every batch.
        net = build_backbone(spec, load_state_dict(spec, weights_dir, allow_download=allow_download))
        self._net = net.to(self.device, _DTYPES[precision]).to(memory_format=torch.channels_last)
        mean, std = torch.tensor(spec.mean, device=self.device), torch.tensor(spec.std, device=self.device)
        self._scale = (1 / (255 * std)).view(1, 3, 1, 1)
        self._shift = (-mean / std).view(1, 3, 1, 1)

    def describe(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Describe frames.

        Args:
            frames: uint8 (n, px, px, 3), RGB, letterboxed; px is the backbone's `input_px`; n may be 0.

        Returns:
            float32 (n, dim): see `models.pooling.max_pool_maps`.

        Raises:
            ValueError: the frames have another dtype or shape.
            FloatingPointError: the network returned NaN or infinity.
        """
        px = self.spec.input_px
        if frames.dtype != np.uint8 or frames.shape[1:] != (px, px, 3):
            raise ValueError(
                f"{self.spec.name} needs uint8 frames of shape (n, {px}, {px}, 3), "
                f"got {frames.dtype} of shape {frames.shape}"
            )
        begins = range(0, len(frames), self.batch_frames)
        with torch.inference_mode():
            batches = [self._describe_batch(frames[begin : begin + self.batch_frames]) for begin in begins]
            none = torch.empty(0, self.spec.dim, device=self.device)
            descriptors = torch.cat([none, *batches]).cpu().numpy()
        if not np.isfinite(descriptors).all():
            raise FloatingPointError(f"{self.spec.name} returned NaN or infinity in {self.precision}: use fp32")
        return descriptors[: len(frames)]

    def _describe_batch(self, frames: NDArray[np.uint8]) -> torch.Tensor:
        """Describe at most `batch_frames` frames. The rows after theirs belong to the padding."""
        shape = (self.batch_frames, *frames.shape[1:])
        # torch's caching allocator does not reuse pinned memory until the asynchronous copy has finished.
        batch = torch.zeros(shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        batch.numpy()[: len(frames)] = frames
        pixels = batch.to(self.device, non_blocking=True).permute(0, 3, 1, 2)  # channels_last without a copy
        normalised = pixels.float().mul_(self._scale).add_(self._shift)
        return max_pool_maps(self._net(normalised.to(_DTYPES[self.precision])))


@functools.cache
def load_describer(
    name: str,
    weights_dir: str | Path | None = None,
    allow_download: bool = False,
    device: str = "cpu",
    precision: str = "fp32",
    batch_frames: int = 8,
) -> FrameDescriber:
    """Return the describer of these settings. It is built once per Python worker. Runs on: executor.

    Raises:
        ValueError: a setting is out of range, or the backbone is unknown.
        WeightsError: the weights are missing or are not the published ones.
    """
    return FrameDescriber(
        get_backbone(name),
        device,
        precision,
        batch_frames,
        weights_dir=weights_dir,
        allow_download=allow_download,
    )


def choose_device(gpu_addresses: Sequence[str]) -> str:
    """Return the device to compute on: the GPU that Spark assigned, else the first GPU, else the CPU.

    Args:
        gpu_addresses: the task's `resources()["gpu"].addresses`, which are CUDA indices; empty if Spark assigns no
            GPU.

    Raises:
        ValueError: the assigned address is not the index of a GPU that torch sees.
    """
    if not torch.cuda.is_available():
        return "cpu"
    address = gpu_addresses[0] if gpu_addresses else "0"
    num_gpus = torch.cuda.device_count()
    if not (address.isdecimal() and int(address) < num_gpus):
        raise ValueError(
            f"Spark assigned the GPU {address!r}, but torch sees {num_gpus} GPUs, numbered from 0: make the "
            "discovery script (spark.worker.resource.gpu.discoveryScript) print these numbers"
        )
    return f"cuda:{address}"


def choose_precision(precision: str, device: str) -> str:
    """Return "fp32" or "bf16". "auto" becomes bf16 if the device supports it in hardware, else fp32.

    Without hardware support bf16 is emulated and slower than fp32. With it, bf16 takes half the time of fp32 on a CPU.
    Its effect on a video's vector is a tenth of that of one JPEG compression with quality 85 (efficientnet_lite0, 465
    frames of 155 clips: median cosine similarity 0.9995, JPEG 0.9935).

    Args:
        precision: "auto", "fp32" or "bf16".
        device: as `choose_device` returns it.

    Raises:
        ValueError: the precision is unknown, or it is "bf16" and the device does not support it in hardware.
    """
    if precision not in ("auto", *_DTYPES):
        raise ValueError(f"precision must be one of auto, fp32, bf16, got {precision!r}")
    if precision == "fp32":
        return precision
    if has_bf16(device):
        return "bf16"
    if precision == "bf16":
        raise ValueError(f'precision is "bf16", but {device} does not support it in hardware: use "auto" or "fp32"')
    return "fp32"


def has_bf16(device: str) -> bool:
    """Return whether the device multiplies bfloat16 in hardware (a CPU: avx512_bf16, amx_bf16, or ARM's bf16)."""
    if device != "cpu":
        return torch.cuda.get_device_capability(device) >= (8, 0)  # Ampere and later
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(flag, False) for flag in ("avx512_bf16", "amx_bf16", "bf16"))


def limit_threads(num_threads: int) -> None:
    """Limit torch to `num_threads` threads in this process, because several tasks share a machine."""
    torch.set_num_threads(num_threads)
