"""Checks of one video against the index of a lake, without Spark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from jobs.config.settings import Config
    from jobs.one_video.answer import Answer
    from jobs.one_video.checker import Checker


class Lake:
    """A lake with its newest index open; Spark is not started. Use it as a context manager, or call `close`.

    It uses the same index until `refresh` is called.
    """

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    def query(self, video: str | Path, video_id: str | None = None) -> Answer:
        """Check whether the lake already has a video's footage.

        Args:
            video: path or URI. A remote video must be below `manifest.roots` of the settings.
            video_id: the id that the video has or will have in the manifest, if any: the video is not compared with
                itself.

        Raises:
            UnreadableVideoError: the video cannot be read; `code` is the error_code of the quarantine.
        """
        return self._checker.check(str(video), video_id)

    def refresh(self) -> bool:
        """Open the newest index if a run has published one since; return whether it has."""
        return self._checker.refresh()

    def close(self) -> None:
        """Stop the decoders."""
        self._checker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open(lake: str | Path, config: Config | str | Path | None = None) -> Lake:  # noqa: A001 -- read as ndvr.open
    """Open a lake to check videos.

    Args:
        lake: folder or URI of the tables.
        config: settings, or a YAML file of them; None uses those of the run that published the index.

    Raises:
        UsageError: no index has been published, or the settings are invalid.
        ContractError: the index does not match the settings or the model on this machine.
    """
    from jobs.config.loading import load_config
    from jobs.lake.location import absolute
    from jobs.one_video.checker import Checker

    settings = load_config(Path(config)) if isinstance(config, str | Path) else config
    return Lake(Checker(absolute(str(lake)), settings))
