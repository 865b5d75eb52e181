"""Build torch modules from backbone specs. Their `forward` returns the maps of the tapped layers."""

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
    """A network split after each tapped layer. The output of each stage is a map.

    Splitting drops the classifier, needs no hooks, and returns each map once. Maps may have negative values (linear
    bottlenecks); the pooling sets them to 0.
    """

    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, frames: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps (n, channels, height, width) of the tapped layers for normalised frames (n, 3, px, px)."""
        maps = []
        for stage in self.stages:
            frames = stage(frames)
            maps.append(frames)
        return maps


def build_backbone(spec: BackboneSpec, state_dict: StateDict) -> nn.Module:
    """Build a backbone in eval mode, float32, on the CPU. Its `forward` is that of `TappedStages`.

    The batch norms are folded into the preceding convolutions. This changes a map by rounding only (4e-6 of its largest
    value, measured on efficientnet_lite0) and makes the network about 1.5 times as fast on a CPU.

    Args:
        spec: the backbone.
        state_dict: its weights, as `models.weights.load_state_dict` returns them.

    Raises:
        ValueError: there is no builder for the name.
        RuntimeError: the weights do not match the architecture.
    """
    if spec.name not in _BUILDERS:
        raise ValueError(f"backbone {spec.name!r} is registered but has no builder: add one to models/backbones.py")
    network = TappedStages(_BUILDERS[spec.name](state_dict)).eval()
    return fuse(network).eval().requires_grad_(requires_grad=False)


def build_unfused_lite0(state_dict: StateDict) -> nn.Module:
    """Build the EfficientNet-Lite0 of the package without its classifier, in eval mode. Batch norms are not folded."""
    from efficientnet_lite_pytorch import EfficientNet

    def build() -> nn.Module:
        net: nn.Module = EfficientNet.from_name("efficientnet-lite0").eval()
        net._fc = nn.Identity()  # noqa: SLF001  the package has no public name for it
        return net

    features = {name: value for name, value in state_dict.items() if not name.startswith("_fc.")}
    filled: nn.Module = _build_with_weights(build, features)
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


def _build_with_weights(build: Callable[[], Any], state_dict: StateDict) -> Any:  # noqa: ANN401  as torchvision, untyped
    """Build a network with these weights, without the cost of initialising random weights first."""
    with torch.device("meta"):
        net = build()
    net.load_state_dict(state_dict, assign=True)
    return net


def _fold_padding(conv: nn.Conv2d) -> nn.Conv2d:
    """Convert the package's convolution with a padding module into a plain convolution with the same output.

    TensorFlow's SAME padding of a strided convolution is one pixel wider at the right and bottom. A zero column at the
    left and a zero row at the top of the kernel make the padding symmetric, so that the map does not have to be copied
    for padding (15 % of the network's time).
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

    # The published file also has the two auxiliary classifiers, which are used in training only.
    main = {name: value for name, value in state_dict.items() if not name.startswith("aux")}
    net = _build_with_weights(lambda: GoogLeNet(aux_logits=False, transform_input=False, init_weights=False), main)
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

    return _split_after_relus(_build_with_weights(alexnet, state_dict).features)


def _build_vgg16(state_dict: StateDict) -> list[nn.Module]:
    from torchvision.models import vgg16

    conv1_1, conv1_2, conv2_1, *rest = _split_after_relus(_build_with_weights(vgg16, state_dict).features)
    return [nn.Sequential(conv1_1, conv1_2, conv2_1), *rest]  # conv1_* is not tapped


def _split_after_relus(features: nn.Sequential) -> list[nn.Module]:
    """Split a chain of layers after each ReLU. Layers after the last ReLU are dropped."""
    ends = [i + 1 for i, layer in enumerate(features) if isinstance(layer, nn.ReLU)]
    return [features[begin:end] for begin, end in pairwise([0, *ends])]


def _build_resnet50(state_dict: StateDict) -> list[nn.Module]:
    from torchvision.models import resnet50

    net = _build_with_weights(resnet50, state_dict)
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
