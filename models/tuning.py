"""Fine-tune a backbone, so that its descriptors of edited frames are like those of the unedited frames.

The original network is the teacher. The vector of an edited frame is pulled towards the teacher's vector of its
unedited frame, and pushed away from the teacher's vectors of other footage. Because the targets are given, a hundred
sources are enough; learning to separate the sources from scratch would overfit to them. Runs on: one machine, on its
GPU; on a CPU it takes days.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.backbones import build_unfused_lite0
from models.pooling import MIN_SQUARED_NORM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from models.embedders import LinearHead
    from models.registry import BackboneSpec

_EPSILON = MIN_SQUARED_NORM**0.5
_MASKED_LOGIT = -1e4  # finite and representable in bf16


@dataclass(frozen=True)
class TuningConfig:
    """How a backbone is fine-tuned. The defaults are those of docs/decisions/0009.

    Attributes:
        steps: number of batches.
        learning_rate: learning rate of AdamW after the warm-up; it decays to 0 along half a cosine.
        warmup_steps: batches over which the learning rate rises linearly.
        weight_decay: weight decay of the convolutions.
        temperature: temperature of both cross-entropies.
        averaging_decay: decay of the exponential moving average of the weights, which gives the result.
        trained_fraction: interpolation between the original weights (0) and the trained ones (1) (Wortsman et al. 2022,
            Robust fine-tuning of zero-shot models, arXiv 2109.01903, eq. 1).
    """

    steps: int = 776
    learning_rate: float = 1.5e-3
    warmup_steps: int = 60
    weight_decay: float = 1e-2
    temperature: float = 0.06
    averaging_decay: float = 0.995
    trained_fraction: float = 0.6


@dataclass(frozen=True)
class TeacherVectors:
    """Vectors of the training frames, computed by the original network and its head.

    Attributes:
        vectors: float32 (frames, dims), unit norm.
        sources: int64 (frames,), the source (footage) of each frame; frames of the same source are not negatives.
        head: the linear map from standardised descriptors to the vectors; it is not trained.
    """

    vectors: NDArray[np.float32]
    sources: NDArray[np.int64]
    head: LinearHead


class TrainableLite0(nn.Module):
    """EfficientNet-Lite0 that returns descriptors and can be trained. The statistics of its batch norms are fixed."""

    def __init__(self, spec: BackboneSpec, state_dict: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.net = build_unfused_lite0(state_dict)
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Describe frames uint8 (n, px, px, 3): float32 (n, dim), as `models.describer.FrameDescriber` does."""
        mean, std = self.get_buffer("mean"), self.get_buffer("std")
        parts: dict[str, Any] = dict(self.net.named_children())
        maps = []
        x = (frames.permute(0, 3, 1, 2).float() / 255 - mean) / std
        x = parts["_swish"](parts["_bn0"](parts["_conv_stem"](x)))
        for block in parts["_blocks"]:
            x = block(x)
            maps.append(x)
        maps.append(parts["_swish"](parts["_bn1"](parts["_conv_head"](x))))
        return torch.cat([_pool(feature_map) for feature_map in maps], dim=1)


def _pool(feature_map: torch.Tensor) -> torch.Tensor:
    """Compute `models.pooling.max_pool_maps` of one map, without the in-place operations that break gradients."""
    positive = feature_map.float().relu()
    directions = positive / torch.linalg.vector_norm(positive, dim=1, keepdim=True).clamp(min=_EPSILON)
    return functional.normalize(directions.amax(dim=(2, 3)), dim=1, eps=_EPSILON)


def fine_tune(
    net: TrainableLite0,
    teacher: TeacherVectors,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    config: TuningConfig,
    device: str = "cpu",
    on_step: Callable[[int, float], None] = lambda *_: None,
) -> dict[str, torch.Tensor]:
    """Fine-tune a network and return its state dict on the CPU, float16 except the statistics of the batch norms.

    On a GPU the result is not bit-identical from run to run.

    Args:
        net: the network; after the call it has the weights of the last step.
        teacher: target vectors of the frames in the batches.
        batches: edited frames uint8 (n, px, px, 3), and int64 (n,) the index of the teacher's vector for each. A batch
            has at least two edited copies of each frame. At least `config.steps` batches, or endless.
        config: settings.
        device: "cpu" or "cuda:<index>".
        on_step: called with (steps done, loss).
    """
    start = copy.deepcopy(net.net.state_dict())
    net.to(device).to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(net).requires_grad_(requires_grad=False)
    optimiser = _make_optimiser(net, config)
    tuning_loss = _TuningLoss(teacher, device)
    for step, (frames, targets) in zip(range(config.steps), batches, strict=False):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _schedule(step, config)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=device != "cpu"):
            descriptors = net(frames.to(device, non_blocking=True))
        loss = tuning_loss.measure(descriptors.float(), targets.to(device), config.temperature)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        decay = min(config.averaging_decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, value in zip(averaged.parameters(), net.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
        on_step(step + 1, loss.item())
    return _interpolate(start, averaged.net.state_dict(), config.trained_fraction)


def _make_optimiser(net: nn.Module, config: TuningConfig) -> torch.optim.Optimizer:
    """Return AdamW without weight decay for biases and batch norms."""
    kernels = [value for value in net.parameters() if value.ndim > 1]
    others = [value for value in net.parameters() if value.ndim <= 1]
    groups: Sequence[dict[str, Any]] = (
        {"params": kernels, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    )
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def _schedule(step: int, config: TuningConfig) -> float:
    """Return the factor of the learning rate at a step: linear warm-up, then half a cosine."""
    return min(1.0, step / config.warmup_steps) * 0.5 * (1 + math.cos(math.pi * step / config.steps))


def _interpolate(
    start: Mapping[str, torch.Tensor], trained: Mapping[str, torch.Tensor], trained_fraction: float
) -> dict[str, torch.Tensor]:
    """Interpolate between two networks. The statistics of batch norms, which are not trained, are unchanged."""
    state = {}
    for name, old in start.items():
        is_trained = old.is_floating_point() and "running" not in name
        new = (old + trained_fraction * (trained[name].cpu() - old)).half() if is_trained else old
        state[name] = new.contiguous()
    return state


class _TuningLoss:
    """The loss of `fine_tune`, with the teacher's vectors on the device that trains."""

    def __init__(self, teacher: TeacherVectors, device: str) -> None:
        self._vectors = torch.from_numpy(teacher.vectors).to(device)
        self._sources = torch.from_numpy(teacher.sources).to(device)
        self._mean = torch.from_numpy(np.asarray(teacher.head.mean, dtype=np.float32)).to(device)
        self._projection = torch.from_numpy(np.asarray(teacher.head.projection, dtype=np.float32)).to(device)

    def measure(self, descriptors: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
        """Return the sum of three terms. Frames of the same source are masked: they are not negatives.

        1. Cross-entropy of identifying the teacher's vector of each edited frame among all the teacher's vectors.
        2. One minus the cosine similarity to this vector, averaged.
        3. InfoNCE among the edited frames of the batch (van den Oord et al. 2018, arXiv 1807.03748).

        Args:
            descriptors: float32 (n, dim), of edited frames.
            targets: int64 (n,), the index of the teacher's vector for each.
            temperature: divisor of the logits.
        """
        centred = descriptors - descriptors.mean(dim=1, keepdim=True)
        vectors = functional.normalize((functional.normalize(centred, dim=1) - self._mean) @ self._projection, dim=1)
        sources = self._sources[targets]
        is_target = torch.arange(len(self._sources), device=targets.device) == targets[:, None]
        is_masked = (self._sources == sources[:, None]) & ~is_target
        logits = (vectors @ self._vectors.T / temperature).masked_fill(is_masked, _MASKED_LOGIT)
        distances = 1 - (vectors * self._vectors[targets]).sum(dim=1)
        return (
            functional.cross_entropy(logits, targets)
            + distances.mean()
            + self._contrast(vectors, targets, sources, temperature)
        )

    @staticmethod
    def _contrast(
        vectors: torch.Tensor, targets: torch.Tensor, sources: torch.Tensor, temperature: float
    ) -> torch.Tensor:
        """Return InfoNCE: identify the other copies of each frame among the rows of other sources."""
        is_self = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
        is_positive = (targets == targets[:, None]) & ~is_self
        is_masked = (sources == sources[:, None]) & ~is_positive
        logits = (vectors @ vectors.T / temperature).masked_fill(is_masked, _MASKED_LOGIT)
        log_probabilities = functional.log_softmax(logits, dim=1)
        return -((log_probabilities * is_positive).sum(dim=1) / is_positive.sum(dim=1).clamp(min=1)).mean()
