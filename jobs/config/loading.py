"""Loads the settings: YAML file < environment (NDVR_SECTION__KEY), all of it checked before anything is started."""

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
    """Read the configuration and check all of it, before anything is started.

    Args:
        file: YAML file of sections and keys, or None.

    Raises:
        UsageError: the file is missing or not YAML, or any key or value breaks its rule; all are named.
    """
    if file is not None:
        _check_file(file)

    class _FileConfig(Config):
        model_config = SettingsConfigDict(yaml_file=file)

    try:
        loaded = _FileConfig()
    except ValidationError as error:
        faults = [f"  {'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors()]
        raise UsageError("the configuration is not valid:\n" + "\n".join(faults)) from error
    except SettingsError as error:
        raise UsageError(
            f"an NDVR_ variable of the environment is not valid (lists are JSON there): {error}"
        ) from error
    if loaded.describe.backbone not in backbone_names():
        raise UsageError(
            f"describe.backbone must be one of {', '.join(backbone_names())}; got {loaded.describe.backbone!r}"
        )
    return Config.model_construct(**dict(loaded))


def _check_file(file: Path) -> None:
    """Raise UsageError unless the file is there and holds YAML sections, or nothing."""
    import yaml

    if not file.is_file():
        raise UsageError(f"config file {str(file)!r} does not exist; give --config an existing YAML file")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"config file {str(file)!r} is not YAML: {error}") from error
    if not isinstance(content, dict | None):
        raise UsageError(f"config file {str(file)!r} must hold sections of keys, got {content!r:.60}")
