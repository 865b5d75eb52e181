from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from jobs.config.loading import load_config
from jobs.config.settings import Config, DescribeConfig, PairsConfig
from jobs.config.training import Objective, TrainingConfig
from jobs.errors import UsageError
from udfs.video import DecodeLimits, SamplingRule

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _remove_environment_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("NDVR_")]:
        monkeypatch.delenv(name)


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_defaults_apply_without_file_and_environment() -> None:
    config = load_config()
    assert config.describe.backbone == "efficientnet_lite0_ndvr"
    assert config.describe.sample_fps == 1.0
    assert config.pairs.min_cosine_similarity is None
    assert config.manifest.roots == ()


def test_a_file_sets_its_keys_and_leaves_other_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "describe:\n  backbone: tiny\nmanifest:\n  roots: [/mnt/a, 's3://b']\n"))
    assert config.describe.backbone == "tiny"
    assert config.describe.sample_fps == 1.0
    assert config.manifest.roots == ("/mnt/a", "s3://b")


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "")) == load_config()


def test_the_environment_overrides_single_keys_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NDVR_PAIRS__BLOCK_ROWS", "7")
    config = load_config(write(tmp_path, "pairs: {block_rows: 5, min_cosine_similarity: 0.5}"))
    assert config.pairs.block_rows == 7
    assert config.pairs.min_cosine_similarity == 0.5


def test_the_message_lists_all_invalid_keys_with_rule_and_value(tmp_path: Path) -> None:
    file = write(tmp_path, "pairs: {min_cosine_similarity: 1.3}\ndescribe: {min_frames: 0}\nquality: {colour: red}\n")
    with pytest.raises(UsageError, match="the configuration is not valid:") as caught:
        load_config(file)
    lines = str(caught.value).splitlines()[1:]
    assert sorted(line.partition(":")[0].strip() for line in lines) == [
        "describe.min_frames",
        "pairs.min_cosine_similarity",
        "quality.colour",
    ]
    assert any("less than or equal to 1, got 1.3" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("quality: {max_failed_fraction: 1.01}", "quality.max_failed_fraction"),
        ("quarantine: {retry_after_hours: 0}", "quarantine.retry_after_hours"),
        ("quarantine: {max_attempts: 0}", "quarantine.max_attempts"),
        ("describe: {sample_fps: -1}", "describe.sample_fps"),
        ("describe: {precision: fp8}", "describe.precision"),
        ("embeddings: {method: magic}", "embeddings.method"),
        ("pairs: {block_rows: many}", "pairs.block_rows"),
        ("pairs: {search: guess}", "pairs.search"),
        ("training: {objective: averaged}", "training.objective"),
        ("training: {fusion: both}", "training.fusion"),
        ("training: {layers: []}", "training.layers"),
        ("training: {layers: [0]}", "training.layers.0"),
        ("training: {epochs: 0}", "training.epochs"),
        ("training: {seed: -1}", "training.seed"),
        ("training: {max_negative_cosine: 1.1}", "training.max_negative_cosine"),
        ("pears: {block_rows: 1}", "pears"),
        ("manifest: {roots: 3}", "manifest.roots"),
    ],
)
def test_a_value_out_of_range_or_an_unknown_key_is_rejected(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(UsageError, match=rf"\n  {key}: "):
        load_config(write(tmp_path, text))


def test_an_unknown_backbone_is_rejected_with_the_list_of_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"describe.backbone must be one of .*efficientnet_lite0.*; got 'resnet9'"):
        load_config(write(tmp_path, "describe: {backbone: resnet9}"))


def test_a_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"config file '.*nope.yaml' does not exist; give --config an existing"):
        load_config(tmp_path / "nope.yaml")


def test_a_file_that_is_not_yaml_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"config file '.*config.yaml' is not YAML: "):
        load_config(write(tmp_path, "pairs: [unclosed"))


@pytest.mark.parametrize("text", ["just words", "[1, 2]", "- pairs"])
def test_yaml_without_sections_is_rejected(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"config file '.*config.yaml' must contain sections with keys, got "):
        load_config(write(tmp_path, text))


def test_a_file_that_is_not_utf8_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"pairs: \xff\xfe")
    with pytest.raises(UsageError, match=r"config file '.*config.yaml' is not YAML: "):
        load_config(tmp_path / "config.yaml")


def test_a_list_in_the_environment_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NDVR_MANIFEST__ROOTS", '["/mnt/a"]')
    assert load_config().manifest.roots == ("/mnt/a",)
    monkeypatch.setenv("NDVR_MANIFEST__ROOTS", "/mnt/a")
    with pytest.raises(UsageError, match=r"an NDVR_ environment variable .* \(write lists as JSON\): .*manifest"):
        load_config()


def test_a_loaded_configuration_is_frozen() -> None:
    config = load_config()
    with pytest.raises(ValidationError, match="frozen"):
        config.pairs = PairsConfig()  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        config.pairs.block_rows = 1  # type: ignore[misc]


def test_the_fingerprint_does_not_depend_on_the_source_of_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_file = load_config(write(tmp_path, "pairs: {block_rows: 7}")).fingerprint()
    monkeypatch.setenv("NDVR_PAIRS__BLOCK_ROWS", "7")
    assert load_config().fingerprint() == from_file
    assert len(from_file) == 16


def test_the_fingerprint_changes_with_settings_that_affect_rows() -> None:
    configs = [
        Config(),
        Config(pairs=PairsConfig(block_rows=7)),
        Config(pairs=PairsConfig(min_cosine_similarity=0.5)),
        Config(describe=DescribeConfig(sample_fps=2.0)),
    ]
    assert len({config.fingerprint() for config in configs}) == len(configs)


def test_the_fingerprint_ignores_training_settings() -> None:
    """A run uses a trained model, and its model_id identifies it."""
    trained = Config(training=TrainingConfig(objective=Objective.TRIPLET, epochs=7))
    assert trained.fingerprint() == Config().fingerprint()


def test_the_fingerprint_ignores_quality_limits_and_metrics() -> None:
    """A limit that is raised after a rejected run must not make the next run search everything again."""
    raised = Config(quality={"max_failed_fraction": 1.0}, metrics={"pushgateway_url": "http://gateway:9091"})
    assert raised.fingerprint() == Config().fingerprint()


def test_training_settings_are_null_unless_given(tmp_path: Path) -> None:
    training = load_config().training
    assert training.objective is Objective.DISCRIMINATIVE
    assert (training.fusion, training.layers, training.epochs, training.learning_rate) == (None,) * 4
    given = load_config(write(tmp_path, "training: {objective: triplet, layers: [9, 4], weight_decay: 0}")).training
    assert (given.objective, given.layers, given.weight_decay) == (Objective.TRIPLET, (9, 4), 0.0)


def test_an_own_model_is_set_by_its_folder(tmp_path: Path) -> None:
    embeddings = load_config(write(tmp_path, "embeddings: {artefact_dir: models/mine}")).embeddings
    assert (embeddings.method.value, str(embeddings.artefact_dir)) == ("auto", "models/mine")


def test_runs_must_be_kept_at_least_until_models_expire() -> None:
    rule = r"keep_run_days must be at least expire_model_days \(90\), got 30: `runs` records when a model was last used"
    with pytest.raises(ValidationError, match=rule):
        Config(maintenance={"keep_run_days": 30})  # type: ignore[arg-type] # as a file gives it
    assert Config(maintenance={"keep_run_days": 30, "expire_model_days": None}).maintenance.keep_models == ()  # type: ignore[arg-type] # as above


def test_the_fingerprint_ignores_maintenance_settings() -> None:
    kept = Config(maintenance={"retention_hours": 1})  # type: ignore[arg-type] # as a file gives it
    assert kept.fingerprint() == Config().fingerprint()


def test_describe_has_a_setting_with_the_same_default_for_each_limit_and_sampling_rule() -> None:
    assert DescribeConfig().decoder.limits == DecodeLimits()
    assert DescribeConfig().decoder.sampling == SamplingRule()


@pytest.mark.parametrize("limit", [field.name for field in fields(DecodeLimits)])
def test_each_limit_reaches_the_decoders(limit: str) -> None:
    describe = DescribeConfig.model_validate({limit: 7})
    assert describe.decoder.limits == replace(DecodeLimits(), **{limit: 7})


def test_the_sampling_settings_reach_the_decoders() -> None:
    assert DescribeConfig(sample_fps=2.0, min_frames=5).decoder.sampling == SamplingRule(sample_fps=2.0, min_frames=5)


def test_the_fingerprint_of_the_default_settings_is_stable() -> None:
    """A changed fingerprint makes the next run rebuild the tables of every lake."""
    assert Config().fingerprint() == "24c58825e3b0623f"
    assert Config(describe=DescribeConfig(stall_timeout_seconds=7.0)).fingerprint() == "d280ceea1724d00d"
