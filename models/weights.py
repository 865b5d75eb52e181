"""Find a backbone's weights, verify their SHA-256 and read them. Downloads happen only if they are allowed."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import zipfile
import zipimport
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import safetensors.torch
import torch

if TYPE_CHECKING:
    from models.registry import BackboneSpec, WeightsFile

FilePath: TypeAlias = Path | zipfile.Path

_TINY_SEED = 20170313


class WeightsError(Exception):
    """The weights of a backbone are missing or are not the published ones. The message says what to do."""


def load_state_dict(
    spec: BackboneSpec, weights_dir: str | Path | None = None, *, allow_download: bool = False
) -> dict[str, torch.Tensor]:
    """Read the verified weights of a backbone into CPU memory. Runs on: executor.

    Weights stored at half precision are converted to float32. The file is searched in this order:
    1. `weights_dir/<file name>`
    2. the installed package that has it
    3. with `allow_download`: torch.hub's cache (`$TORCH_HOME/hub/checkpoints`), then the published URL

    The first file found must have the SHA-256 of the spec. Those of torchvision's files begin with the digits that
    torchvision puts into the file names.

    Raises:
        WeightsError: no file is found, or the first file found does not have the SHA-256.
    """
    if spec.weights is None:
        return _generate_state_dict(spec)
    path = find_weights(spec.name, spec.weights, weights_dir, allow_download=allow_download)
    content = path.read_bytes()
    _verify_sha256(path, content, spec.weights_sha256)
    if path.name.endswith(".safetensors"):
        return {name: tensor.float() for name, tensor in safetensors.torch.load(content).items()}
    state: dict[str, torch.Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state


def find_weights(name: str, weights: WeightsFile, weights_dir: str | Path | None, *, allow_download: bool) -> FilePath:
    """Return the path of the weights of the backbone `name`. Download them if that is allowed and necessary.

    Raises:
        WeightsError: the file is not found, or the download failed.
    """
    candidates: list[FilePath] = [] if weights_dir is None else [Path(weights_dir) / weights.file_name]
    candidates += _find_in_package(weights)
    if allow_download and weights.url is not None:
        candidates.append(_hub_file(weights))
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    if allow_download and weights.url is not None:
        return _download(weights.url, _hub_file(weights))
    searched = ", ".join(map(str, candidates)) or "nowhere, because weights_dir is not configured"
    raise WeightsError(
        f"the weights of backbone {name!r} are missing: {weights.file_name} not found; searched: {searched}. "
        f"{_advise(weights)}"
    )


def _verify_sha256(path: FilePath, content: bytes, expected: str) -> None:
    """Check the SHA-256 of a file.

    Raises:
        WeightsError: the SHA-256 is not `expected`.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise WeightsError(
            f"{path} has SHA-256 {found}, but the published file has {expected}: delete it and download it again"
        )


def _find_in_package(weights: WeightsFile) -> list[FilePath]:
    """Return the paths of the weights in the installed or zipped package, without importing the package."""
    if weights.package_path is None:
        return []
    package, _, inner = weights.package_path.partition("/")
    found = importlib.util.find_spec(package)
    if found is None:
        return []
    if isinstance(found.loader, zipimport.zipimporter):
        return [zipfile.Path(found.loader.archive, f"{found.loader.prefix}{weights.package_path}")]
    return [Path(folder) / inner for folder in found.submodule_search_locations or []]


def _hub_file(weights: WeightsFile) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / weights.file_name


def _download(url: str, path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), progress=False)
    except OSError as error:
        raise WeightsError(
            f"cannot download {url} to {path}: {error}; download the file manually and put it into weights_dir"
        ) from error
    return path


def _advise(weights: WeightsFile) -> str:
    if weights.url is None:
        package = (weights.package_path or "").partition("/")[0].replace("_", "-")
        return f"Install the package {package}, or put the file into weights_dir."
    return f"Download {weights.url} into weights_dir, or allow the download."


def _generate_state_dict(spec: BackboneSpec) -> dict[str, torch.Tensor]:
    """Generate 3 x 3 convolutions: uniform, with the variance of He et al. 2015 (arXiv 1502.01852, eq. 10).

    Raises:
        WeightsError: the generated weights do not have the SHA-256 of the spec.
    """
    generator = np.random.default_rng(_TINY_SEED)
    state, num_inputs = {}, 3
    for layer in spec.layers:
        bound = np.float32((6 / (9 * num_inputs)) ** 0.5)
        drawn = generator.random((layer.dim, num_inputs, 3, 3), dtype=np.float32)
        state[f"{layer.name}.weight"] = torch.from_numpy((drawn * 2 - 1) * bound)
        num_inputs = layer.dim
    found = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in state.values())).hexdigest()
    if found != spec.weights_sha256:
        raise WeightsError(
            f"the generated weights of {spec.name!r} have SHA-256 {found}, not {spec.weights_sha256}: "
            "numpy's random generator has changed; register the backbone under a new name"
        )
    return state
