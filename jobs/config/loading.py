"""Loads and checks the settings. The environment (NDVR_SECTION__KEY) overrides the YAML file."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads it when the program runs

from pydantic import ValidationError
from pydantic_settings import (
    SettingsConfigDict,
    SettingsError,
)

from jobs.config.settings import Config
from jobs.errors import UsageError
from models.registry import backbone_names


def load_config(file: Path | None = None) -> Config:
    """Read the whole configuration and check it, before any work starts.

    Args:
        file: YAML file of sections and keys, or None.

    Raises:
        UsageError: the file is missing or not YAML, or keys or values are not valid. The message lists all of them.
    """
    if file is not None:
        _check_file(file)

    class _FileConfig(Config):
        model_config = SettingsConfigDict(yaml_file=file)

    try:
        loaded = _FileConfig()
    except ValidationError as error:
        problems = [f"  {'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors()]
        raise UsageError("the configuration is not valid:\n" + "\n".join(problems)) from error
    except SettingsError as error:
        raise UsageError(f"an NDVR_ environment variable is not valid (write lists as JSON): {error}") from error
    if loaded.describe.backbone not in backbone_names():
        raise UsageError(
            f"describe.backbone must be one of {', '.join(backbone_names())}; got {loaded.describe.backbone!r}"
        )
    return Config.model_construct(**dict(loaded))


def _check_file(file: Path) -> None:
    """Raise UsageError unless the file exists and is empty or contains YAML sections."""
    import yaml

    if not file.is_file():
        raise UsageError(f"config file {str(file)!r} does not exist; give --config an existing YAML file")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"config file {str(file)!r} is not YAML: {error}") from error
    if not isinstance(content, dict | None):
        raise UsageError(f"config file {str(file)!r} must contain sections with keys, got {content!r:.60}")
