"""Architectures and tapped layers. Torchvision's networks have random weights, so that no download is needed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
import torch

from models.backbones import build_backbone
from models.pooling import max_pool_maps
from models.registry import get_backbone
from models.weights import load_state_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

TORCHVISION_TAPS = {
    "googlenet": [layer.name for layer in get_backbone("googlenet").layers],
    "alexnet": [f"features.{i}" for i in (1, 4, 7, 9, 11)],
    "vgg16": [f"features.{i}" for i in (6, 8, 11, 13, 15, 18, 20, 22, 25, 27, 29)],
    "resnet50": ["layer1", "layer2", "layer3", "layer4"],
}


def torchvision_net(name: str) -> Any:
    """The network of torchvision, in eval mode, with random weights of a fixed seed; large classifiers are zero."""
    import torchvision

    options: dict[str, Any] = {"init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        net = getattr(torchvision.models, name)(weights=None, **options)
    generator = torch.Generator().manual_seed(7)
    state = {}
    for key, value in net.state_dict().items():
        if key.startswith(("classifier", "fc")):
            state[key] = torch.zeros(1).expand(value.shape)
        elif value.dim() > 1:  # a convolution: He's variance keeps the values of maps in range
            state[key] = torch.randn(value.shape, generator=generator) * (2 / value[0].numel()) ** 0.5
        elif value.is_floating_point():  # a batch norm, whose variance must be positive
            state[key] = torch.rand(value.shape, generator=generator) + 0.5
        else:
            state[key] = torch.zeros(value.shape, dtype=value.dtype)
    net.load_state_dict(state, assign=True)
    return net.eval()


def tapped_by_hooks(net: torch.nn.Module, taps: Sequence[str], frames: torch.Tensor) -> list[torch.Tensor]:
    """The outputs of the named modules when the whole network runs."""
    maps: dict[str, torch.Tensor] = {}
    modules = dict(net.named_modules())
    hooks = [
        modules[tap].register_forward_hook(lambda _m, _i, output, tap=tap: maps.update({tap: output.clone()}))
        for tap in taps
    ]
    with torch.inference_mode():
        net(frames)
    for hook in hooks:
        hook.remove()
    return [maps[tap] for tap in taps]


def assert_close_maps(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> None:
    """Assert that each map is within 1e-4 of the expected one, relative to its largest value."""
    assert [m.shape for m in found] == [m.shape for m in expected]
    for one, other in zip(found, expected, strict=True):
        assert ((one - other).abs().max() / other.abs().max()).item() < 1e-4


@pytest.mark.parametrize("name", sorted(TORCHVISION_TAPS))
def test_the_maps_equal_those_of_torchvisions_network(name: str) -> None:
    net = torchvision_net(name)
    frames = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    expected = tapped_by_hooks(net, TORCHVISION_TAPS[name], frames)
    spec = get_backbone(name)
    with torch.inference_mode():
        found = build_backbone(spec, net.state_dict())(frames)
    assert_close_maps(found, expected)
    assert [m.shape[1] for m in found] == [layer.dim for layer in spec.layers]
    descriptors = max_pool_maps(found)
    assert descriptors.shape == (1, spec.dim)
    assert descriptors.norm(dim=1).item() == pytest.approx(len(spec.layers) ** 0.5, abs=1e-5)


def test_the_maps_of_lite0_are_the_outputs_of_its_blocks_and_its_head() -> None:
    from efficientnet_lite_pytorch import EfficientNet

    spec = get_backbone("efficientnet_lite0")
    state = load_state_dict(spec)
    net = EfficientNet.from_name("efficientnet-lite0").eval()
    net.load_state_dict(state)
    frames = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        head = net.extract_features(frames)
        found = build_backbone(spec, state)(frames)
    expected = [*tapped_by_hooks(net, [f"_blocks.{i}" for i in range(16)], frames), head]
    assert_close_maps(found, expected)
    assert [m.shape[1] for m in found] == [layer.dim for layer in spec.layers]
    assert max_pool_maps(found).norm(dim=1).item() == pytest.approx(17**0.5, abs=1e-5)
    assert min(m.min().item() for m in found) < 0  # linear bottlenecks, which the pooling sets to 0


def test_googlenets_mean_and_std_match_the_transform_of_torchvision() -> None:
    """Torchvision normalises with ImageNet's values, then applies transform_input. The spec replaces both."""
    net = torchvision_net("googlenet")
    net.transform_input = True
    spec, imagenet = get_backbone("googlenet"), get_backbone("resnet50")
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))

    def normalise(mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
        return (pixels - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)

    expected = tapped_by_hooks(net, TORCHVISION_TAPS["googlenet"], normalise(imagenet.mean, imagenet.std))
    with torch.inference_mode():
        found = build_backbone(spec, net.state_dict())(normalise(spec.mean, spec.std))
    assert_close_maps(found, expected)


def test_the_auxiliary_classifiers_of_googlenet_are_dropped() -> None:
    state = dict(torchvision_net("googlenet").state_dict())
    state["aux1.fc1.weight"] = torch.zeros(1)
    assert build_backbone(get_backbone("googlenet"), state) is not None


def test_batch_norms_are_folded_and_no_parameter_has_a_gradient() -> None:
    spec = get_backbone("efficientnet_lite0")
    net = build_backbone(spec, load_state_dict(spec))
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert not any(module.training for module in net.modules())


def test_weights_of_another_architecture_are_rejected() -> None:
    with pytest.raises(RuntimeError, match="Missing key"):
        build_backbone(get_backbone("alexnet"), load_state_dict(get_backbone("tiny")))


def test_a_registered_backbone_without_a_builder_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"\'huge\' is registered but has no builder: add one to models/backbones\.py"):
        build_backbone(dataclasses.replace(get_backbone("tiny"), name="huge"), {})
