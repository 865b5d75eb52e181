"""Training a backbone on, so that edited views of a frame are described as the frame was before.

What a frame is told by stays as it was: views are drawn to where the untouched network put their frames, and away from
where it put frames of other footage. So a hundred sources are enough to learn from, where learning to tell them apart
from nothing would learn them by heart. Runs on: one machine, on its GPU; on a CPU it takes days.
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
_NEVER = -1e4  # a logit, in bf16 too


@dataclass(frozen=True)
class TuningConfig:
    """How a backbone is trained on. The numbers are those of docs/decisions/0009.

    Attributes:
        steps: batches.
        learning_rate: of AdamW, after the warm-up; it falls to 0 along half a cosine.
        warmup_steps: batches over which it rises.
        weight_decay: of the convolutions.
        temperature: of both cross-entropies.
        averaging_decay: of the running mean of the weights, which is what is kept.
        share: of the trained weights in the result; the rest are those it started from (Wortsman et al. 2022, Robust
            fine-tuning of zero-shot models, arXiv 2109.01903, eq. 1).
    """

    steps: int = 776
    learning_rate: float = 1.5e-3
    warmup_steps: int = 60
    weight_decay: float = 1e-2
    temperature: float = 0.06
    averaging_decay: float = 0.995
    share: float = 0.6


@dataclass(frozen=True)
class Bank:
    """Where the untouched network and its head put the frames that are trained on.

    Attributes:
        vectors: float32 (frames, dims), unit norm.
        sources: int64 (frames,), which footage each shows: frames of one source are never held apart.
        head: the linear map from standardised descriptors to the vectors; it stays as it is.
    """

    vectors: NDArray[np.float32]
    sources: NDArray[np.int64]
    head: LinearHead


class Lite0(nn.Module):
    """EfficientNet-Lite0 from its package, with batch norms as its training left them; it gives descriptors."""

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
    """Do what `models.pooling.max_pool_maps` does to one map, without overwriting what the gradient needs."""
    positive = feature_map.float().relu()
    directions = positive / torch.linalg.vector_norm(positive, dim=1, keepdim=True).clamp(min=_EPSILON)
    return functional.normalize(directions.amax(dim=(2, 3)), dim=1, eps=_EPSILON)


def tune(
    net: Lite0,
    bank: Bank,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    config: TuningConfig,
    device: str = "cpu",
    on_step: Callable[[int, float], None] = lambda *_: None,
) -> dict[str, torch.Tensor]:
    """Train a network on and return its state dict, float16 but for the batch norms' statistics, on the CPU.

    A GPU does not give the same bits twice.

    Args:
        net: is left as trained last.
        bank: of the frames that the batches show.
        batches: views uint8 (n, px, px, 3), and int64 (n,) which frame of the bank each shows; two views or more of
            each frame. Endless, or `config.steps` long.
        config: how.
        device: "cpu" or "cuda:<index>".
        on_step: told (steps done, loss).
    """
    start = copy.deepcopy(net.net.state_dict())
    net.to(device).to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(net).requires_grad_(requires_grad=False)
    optimiser = _make_optimiser(net, config)
    placed = _PlacedBank(bank, device)
    for step, (views, shown) in zip(range(config.steps), batches, strict=False):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _schedule(step, config)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=device != "cpu"):
            descriptors = net(views.to(device, non_blocking=True))
        loss = placed.measure_loss(descriptors.float(), shown.to(device), config.temperature)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        decay = min(config.averaging_decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, value in zip(averaged.parameters(), net.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
        on_step(step + 1, loss.item())
    return _mix(start, averaged.net.state_dict(), config.share)


def _make_optimiser(net: nn.Module, config: TuningConfig) -> torch.optim.Optimizer:
    """Return AdamW; biases and batch norms do not decay."""
    kernels = [value for value in net.parameters() if value.ndim > 1]
    others = [value for value in net.parameters() if value.ndim <= 1]
    groups: Sequence[dict[str, Any]] = (
        {"params": kernels, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    )
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def _schedule(step: int, config: TuningConfig) -> float:
    """Return the share of the learning rate."""
    return min(1.0, step / config.warmup_steps) * 0.5 * (1 + math.cos(math.pi * step / config.steps))


def _mix(
    start: Mapping[str, torch.Tensor], trained: Mapping[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """Return weights between two networks; statistics, which no training changes, as they are."""
    mixed = {}
    for name, old in start.items():
        is_learnt = old.is_floating_point() and "running" not in name
        mixed[name] = ((old + share * (trained[name].cpu() - old)).half() if is_learnt else old).contiguous()
    return mixed


class _PlacedBank:
    """A bank on the device that trains."""

    def __init__(self, bank: Bank, device: str) -> None:
        self._vectors = torch.from_numpy(bank.vectors).to(device)
        self._sources = torch.from_numpy(bank.sources).to(device)
        self._mean = torch.from_numpy(np.asarray(bank.head.mean, dtype=np.float32)).to(device)
        self._projection = torch.from_numpy(np.asarray(bank.head.projection, dtype=np.float32)).to(device)

    def measure_loss(self, descriptors: torch.Tensor, shown: torch.Tensor, temperature: float) -> torch.Tensor:
        """Measure how far views are from their frames, and how near to others, in three terms of one weight.

        Cross-entropy of finding the view's frame among those of the bank; one less the cosine to it; and InfoNCE (van
        den Oord et al. 2018, arXiv 1807.03748) among the views of the batch. Frames of one source are no others.

        Args:
            descriptors: float32 (n, dim).
            shown: int64 (n,), see `tune`.
            temperature: of the logits.
        """
        centred = descriptors - descriptors.mean(dim=1, keepdim=True)
        vectors = functional.normalize((functional.normalize(centred, dim=1) - self._mean) @ self._projection, dim=1)
        sources = self._sources[shown]
        is_own = torch.arange(len(self._sources), device=shown.device) == shown[:, None]
        is_banned = (self._sources == sources[:, None]) & ~is_own
        logits = (vectors @ self._vectors.T / temperature).masked_fill(is_banned, _NEVER)
        away = 1 - (vectors * self._vectors[shown]).sum(dim=1)
        return (
            functional.cross_entropy(logits, shown) + away.mean() + self._contrast(vectors, shown, sources, temperature)
        )

    @staticmethod
    def _contrast(
        vectors: torch.Tensor, shown: torch.Tensor, sources: torch.Tensor, temperature: float
    ) -> torch.Tensor:
        """Measure InfoNCE: each view against its frame's other views, among views of other sources."""
        is_self = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
        is_mate = (shown == shown[:, None]) & ~is_self
        is_banned = (sources == sources[:, None]) & ~is_mate
        logits = (vectors @ vectors.T / temperature).masked_fill(is_banned, _NEVER)
        told = functional.log_softmax(logits, dim=1)
        return -((told * is_mate).sum(dim=1) / is_mate.sum(dim=1).clamp(min=1)).mean()
