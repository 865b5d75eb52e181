from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from pathlib import Path
from urllib.error import URLError

import pytest
import safetensors.torch
import torch

from models.registry import BackboneSpec, WeightsFile, get_backbone
from models.weights import WeightsError, load_state_dict

URL = "https://example.org/small-1.pth"
VALUE = torch.tensor([1.0, 2.0])


def save_weights(path: Path) -> str:
    """Write a state dict to `path` and return the SHA-256 of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"weight": VALUE}, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def small_spec(sha256: str, *, url: str | None = None, package_path: str | None = None) -> BackboneSpec:
    weights = WeightsFile("small-1.pth", package_path=package_path, url=url)
    return dataclasses.replace(get_backbone("tiny"), name="small", weights=weights, weights_sha256=sha256)


@pytest.fixture
def hub_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of small-1.pth in the cache of torch.hub, which is empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints" / "small-1.pth"


def test_weights_are_read_from_the_configured_folder(tmp_path: Path) -> None:
    sha256 = save_weights(tmp_path / "small-1.pth")
    state = load_state_dict(small_spec(sha256), tmp_path)
    assert torch.equal(state["weight"], VALUE)


def test_weights_are_read_from_the_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "small_weights"
    sha256 = save_weights(package / "models" / "small-1.pth")
    (package / "__init__.py").write_text("raise AssertionError('imported')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "site")
    spec = small_spec(sha256, package_path="small_weights/models/small-1.pth")
    assert torch.equal(load_state_dict(spec)["weight"], VALUE)


def test_weights_are_read_from_the_zip_that_spark_distributes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sha256 = save_weights(tmp_path / "small-1.pth")
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("zipped_weights/__init__.py", "raise AssertionError('imported')")
        archive.write(tmp_path / "small-1.pth", "zipped_weights/artefacts/small-1.pth")
    monkeypatch.syspath_prepend(tmp_path / "code.zip")
    spec = small_spec(sha256, package_path="zipped_weights/artefacts/small-1.pth")
    assert torch.equal(load_state_dict(spec)["weight"], VALUE)
    with pytest.raises(WeightsError, match=r"code.zip/zipped_weights/artefacts/small-1.pth has SHA-256"):
        load_state_dict(small_spec("0" * 64, package_path="zipped_weights/artefacts/small-1.pth"))


def test_weights_stored_at_half_precision_are_read_as_float32(tmp_path: Path) -> None:
    path = tmp_path / "small-1.safetensors"
    safetensors.torch.save_file({"weight": VALUE.half()}, path)
    weights = WeightsFile(path.name)
    spec = dataclasses.replace(small_spec(hashlib.sha256(path.read_bytes()).hexdigest()), name="half", weights=weights)
    state = load_state_dict(spec, tmp_path)
    assert state["weight"].dtype == torch.float32
    assert torch.equal(state["weight"], VALUE)


def test_the_original_of_the_default_backbone_is_loaded_offline() -> None:
    state = load_state_dict(get_backbone("efficientnet_lite0"))
    assert state["_fc.weight"].shape == (1000, 1280)


def test_the_default_backbone_is_loaded_offline() -> None:
    state = load_state_dict(get_backbone("efficientnet_lite0_ndvr"))
    assert state["_conv_head.weight"].shape == (1280, 320, 1, 1)


def test_weights_with_another_sha256_are_rejected(tmp_path: Path) -> None:
    sha256 = save_weights(tmp_path / "small-1.pth")
    spec = small_spec("0" * 64)
    with pytest.raises(WeightsError, match=rf"small-1.pth has SHA-256 {sha256}.*published file has 0{{64}}: delete"):
        load_state_dict(spec, tmp_path)


def test_wrong_weights_in_the_configured_folder_are_not_skipped(tmp_path: Path, hub_file: Path) -> None:
    sha256 = save_weights(hub_file)
    (tmp_path / "small-1.pth").write_bytes(b"another network")
    with pytest.raises(WeightsError, match="has SHA-256"):
        load_state_dict(small_spec(sha256, url=URL), tmp_path, allow_download=True)


def test_the_error_for_missing_weights_has_the_searched_paths_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        WeightsError, match=f"'small' are missing: small-1.pth not found; searched: {tmp_path}.*Download {URL}"
    ):
        load_state_dict(small_spec("0" * 64, url=URL), tmp_path)


def test_the_error_for_missing_weights_of_a_package_names_the_package() -> None:
    spec = small_spec("0" * 64, package_path="not_installed_weights/small-1.pth")
    with pytest.raises(WeightsError, match=r"weights_dir is not configured.*Install the package not-installed-weights"):
        load_state_dict(spec)


def test_the_cache_of_torch_hub_is_not_used_unless_downloads_are_allowed(hub_file: Path) -> None:
    sha256 = save_weights(hub_file)
    spec = small_spec(sha256, url=URL)
    with pytest.raises(WeightsError, match="are missing"):
        load_state_dict(spec)
    assert torch.equal(load_state_dict(spec, allow_download=True)["weight"], VALUE)


def test_an_allowed_download_is_stored_in_the_cache_of_torch_hub(
    hub_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = save_weights(tmp_path / "remote.pth")

    def download(url: str, path: str, *, progress: bool) -> None:
        assert (url, path, progress) == (URL, str(hub_file), False)
        Path(path).write_bytes((tmp_path / "remote.pth").read_bytes())

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert torch.equal(load_state_dict(small_spec(sha256, url=URL), allow_download=True)["weight"], VALUE)


def test_a_downloaded_file_is_verified(hub_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(_url: str, path: str, *, progress: bool) -> None:  # noqa: ARG001  torch.hub's signature
        Path(path).write_bytes(b"a login page")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(WeightsError, match=f"{hub_file} has SHA-256"):
        load_state_dict(small_spec("0" * 64, url=URL), allow_download=True)


@pytest.mark.usefixtures("hub_file")
def test_the_error_for_a_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(_url: str, _path: str, *, progress: bool) -> None:  # noqa: ARG001  torch.hub's signature
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(WeightsError, match=f"cannot download {URL} .*no route to host.*weights_dir"):
        load_state_dict(small_spec("0" * 64, url=URL), allow_download=True)


def test_generated_weights_are_reproducible_and_verified() -> None:
    spec = get_backbone("tiny")
    first, second = load_state_dict(spec), load_state_dict(spec)
    assert list(first) == ["conv1.weight", "conv2.weight", "conv3.weight"]
    assert all(torch.equal(first[name], second[name]) for name in first)
    with pytest.raises(WeightsError, match="generated weights of 'tiny' have SHA-256"):
        load_state_dict(dataclasses.replace(spec, weights_sha256="0" * 64))
