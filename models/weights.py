"""A backbone's weights: found, verified by SHA-256 and read; never random, never from the network unasked."""

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

Place: TypeAlias = Path | zipfile.Path

_TINY_SEED = 20170313


class WeightsError(Exception):
    """A backbone's weights are missing or are not the published ones. The message says what to do."""


def load_state_dict(
    spec: BackboneSpec, weights_dir: str | Path | None = None, *, allow_download: bool = False
) -> dict[str, torch.Tensor]:
    """Read the verified weights of a backbone into CPU memory, as float32 where they are kept at half precision.

    Looked for in this order: `weights_dir/<file name>`; the installed package that ships them; with
    `allow_download`, torch.hub's cache (`$TORCH_HOME/hub/checkpoints`) and then the published URL. The first
    file found must have the SHA-256 of the spec; torchvision's sums start with the digits that torchvision
    publishes in the file's name. Runs on: executor.

    Raises:
        WeightsError: no file is found, or the one found is not the published one.
    """
    if spec.weights is None:
        return _draw_state_dict(spec)
    path = find_weights(spec.name, spec.weights, weights_dir, allow_download=allow_download)
    content = path.read_bytes()
    _verify_sha256(path, content, spec.weights_sha256)
    if path.name.endswith(".safetensors"):
        return {name: tensor.float() for name, tensor in safetensors.torch.load(content).items()}
    state: dict[str, torch.Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state


def find_weights(name: str, weights: WeightsFile, weights_dir: str | Path | None, *, allow_download: bool) -> Place:
    """Return where the weights of the backbone `name` lie, after a download if that is allowed.

    Raises:
        WeightsError: they are nowhere, or the download failed.
    """
    candidates: list[Place] = [] if weights_dir is None else [Path(weights_dir) / weights.file_name]
    candidates += _package_files(weights)
    if allow_download and weights.url is not None:
        candidates.append(_hub_file(weights))
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    if allow_download and weights.url is not None:
        return _download(weights.url, _hub_file(weights))
    looked_in = ", ".join(map(str, candidates)) or "no place, since no weights_dir is configured"
    raise WeightsError(
        f"the weights of backbone {name!r} are missing: looked for {weights.file_name} in {looked_in}. "
        f"{_advise(weights)}"
    )


def _verify_sha256(path: Place, content: bytes, expected: str) -> None:
    """Check that a file is the published one.

    Raises:
        WeightsError: its SHA-256 is not `expected`.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise WeightsError(
            f"{path} has SHA-256 {found}, the published weights have {expected}: delete it and fetch it again"
        )


def _package_files(weights: WeightsFile) -> list[Place]:
    """Where the package that ships the weights is installed, or zipped; the package itself is not imported."""
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
        raise WeightsError(f"cannot download {url} to {path}: {error}; fetch it by hand into weights_dir") from error
    return path


def _advise(weights: WeightsFile) -> str:
    if weights.url is None:
        package = (weights.package_path or "").partition("/")[0].replace("_", "-")
        return f"Install the package {package}, or put the file into weights_dir."
    return f"Fetch {weights.url} into weights_dir, or allow the download."


def _draw_state_dict(spec: BackboneSpec) -> dict[str, torch.Tensor]:
    """Draw 3 x 3 convolutions, uniform, with the variance of He et al. 2015 (arXiv 1502.01852, eq. 10).

    Raises:
        WeightsError: this platform draws other numbers than those the spec was registered with.
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
            f"the seeded weights of {spec.name!r} have SHA-256 {found}, not {spec.weights_sha256}: "
            "numpy's generator has changed; register the backbone anew under another name"
        )
    return state
