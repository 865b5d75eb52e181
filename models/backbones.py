"""Backbone specs to torch modules whose forward returns the tapped maps, ready for inference."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from models.registry import BackboneSpec

    StateDict = Mapping[str, torch.Tensor]


class TappedStages(nn.Module):
    """A network cut behind each tapped layer: its stages in order, the output of each is a map.

    Cutting leaves out the classifier, needs no hooks, and every map is handed out once. Maps may hold
    negative values (linear bottlenecks); the pooling cuts them.
    """

    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, frames: torch.Tensor) -> list[torch.Tensor]:
        """Map normalised frames (n, 3, px, px) to the tapped maps, each (n, channels, height, width)."""
        maps = []
        for stage in self.stages:
            frames = stage(frames)
            maps.append(frames)
        return maps


def build_backbone(spec: BackboneSpec, state_dict: StateDict) -> nn.Module:
    """Build a backbone in eval mode, float32, on the CPU; its forward is that of `TappedStages`.

    Its batch norms are folded into the convolutions before them. That changes a map by rounding alone (4e-6
    of its largest value, measured on efficientnet_lite0) and makes it about 1.5 times as fast on a CPU.

    Args:
        spec: which backbone.
        state_dict: its weights, as `models.weights.load_state_dict` returns them.

    Raises:
        ValueError: no builder is known for the name.
        RuntimeError: the weights do not fit the architecture.
    """
    if spec.name not in _BUILDERS:
        raise ValueError(f"backbone {spec.name!r} is registered but models/backbones.py cannot build it")
    network = TappedStages(_BUILDERS[spec.name](state_dict)).eval()
    return fuse(network).eval().requires_grad_(requires_grad=False)


def build_unfused_lite0(state_dict: StateDict) -> nn.Module:
    """Build EfficientNet-Lite0 as its package has it, in eval mode, without its classifier."""
    from efficientnet_lite_pytorch import EfficientNet

    def build() -> nn.Module:
        net: nn.Module = EfficientNet.from_name("efficientnet-lite0").eval()
        net._fc = nn.Identity()  # noqa: SLF001  the package has no public name for it
        return net

    features = {name: value for name, value in state_dict.items() if not name.startswith("_fc.")}
    filled: nn.Module = _fill(build, features)
    return filled


def _build_efficientnet_lite0(state_dict: StateDict) -> list[nn.Module]:
    net = build_unfused_lite0(state_dict)
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d):
                setattr(parent, name, _fold_padding(child))
            elif isinstance(child, nn.ReLU6):
                child.inplace = True
    parts: dict[str, Any] = dict(net.named_children())  # the package gives all of them private names
    first, *others = parts["_blocks"]
    return [
        nn.Sequential(parts["_conv_stem"], parts["_bn0"], parts["_swish"], first),
        *others,
        nn.Sequential(parts["_conv_head"], parts["_bn1"], parts["_swish"]),
    ]


def _fill(build: Callable[[], Any], state_dict: StateDict) -> Any:  # noqa: ANN401  as torchvision, untyped
    """Build a network without drawing the random weights that it would start with, and give it these."""
    with torch.device("meta"):
        net = build()
    net.load_state_dict(state_dict, assign=True)
    return net


def _fold_padding(conv: nn.Conv2d) -> nn.Conv2d:
    """Turn the package's convolution behind a padding module into a plain one with the same output.

    TensorFlow's SAME padding of a strided convolution is one wider on the right and bottom. The missing left
    column and top row are given back as zeros of the kernel, so that the padding is even and needs no copy of
    the map (15 % of the network's time).
    """
    padding = getattr(conv, "static_padding", None)
    left, right = padding.padding[:2] if isinstance(padding, nn.ZeroPad2d) else (0, 0)
    extra = right - left
    plain = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size[0] + extra,
        stride=conv.stride[0],
        padding=right,
        groups=conv.groups,
        bias=False,
    )
    plain.weight = nn.Parameter(functional.pad(conv.weight, (extra, 0, extra, 0)))
    return plain


def _build_googlenet(state_dict: StateDict) -> list[nn.Module]:
    from torchvision.models import GoogLeNet

    # The published file also holds the two auxiliary classifiers, which only training uses.
    main = {name: value for name, value in state_dict.items() if not name.startswith("aux")}
    net = _fill(lambda: GoogLeNet(aux_logits=False, transform_input=False, init_weights=False), main)
    return [
        nn.Sequential(net.conv1, net.maxpool1, net.conv2, net.conv3, net.maxpool2, net.inception3a),
        net.inception3b,
        nn.Sequential(net.maxpool3, net.inception4a),
        net.inception4b,
        net.inception4c,
        net.inception4d,
        net.inception4e,
        nn.Sequential(net.maxpool4, net.inception5a),
        net.inception5b,
    ]


def _build_alexnet(state_dict: StateDict) -> list[nn.Module]:
    from torchvision.models import alexnet

    return _cut_behind_relus(_fill(alexnet, state_dict).features)


def _build_vgg16(state_dict: StateDict) -> list[nn.Module]:
    from torchvision.models import vgg16

    conv1_1, conv1_2, conv2_1, *rest = _cut_behind_relus(_fill(vgg16, state_dict).features)
    return [nn.Sequential(conv1_1, conv1_2, conv2_1), *rest]  # conv1_* is not tapped


def _cut_behind_relus(features: nn.Sequential) -> list[nn.Module]:
    """Cut a chain of layers into parts that end in a ReLU each; what follows the last one is dropped."""
    ends = [i + 1 for i, layer in enumerate(features) if isinstance(layer, nn.ReLU)]
    return [features[begin:end] for begin, end in pairwise([0, *ends])]


def _build_resnet50(state_dict: StateDict) -> list[nn.Module]:
    from torchvision.models import resnet50

    net = _fill(resnet50, state_dict)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1)
    return [stem, net.layer2, net.layer3, net.layer4]


def _build_tiny(state_dict: StateDict) -> list[nn.Module]:
    stages: list[nn.Module] = []
    for weight in state_dict.values():
        num_outputs, num_inputs = weight.shape[:2]
        conv = nn.Conv2d(num_inputs, num_outputs, 3, stride=2, padding=1, bias=False)
        conv.weight = nn.Parameter(weight)
        stages.append(nn.Sequential(conv, nn.ReLU()))
    return stages


_BUILDERS: dict[str, Callable[[StateDict], list[nn.Module]]] = {
    "efficientnet_lite0": _build_efficientnet_lite0,
    "efficientnet_lite0_ndvr": _build_efficientnet_lite0,
    "googlenet": _build_googlenet,
    "alexnet": _build_alexnet,
    "vgg16": _build_vgg16,
    "resnet50": _build_resnet50,
    "tiny": _build_tiny,
}
