"""What one run may cost, how far the whole is, and how long the rest will take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class BackfillBudget:
    """What a run may do; None sets no limit.

    Attributes:
        max_videos: videos that are tried.
        max_seconds: by the clock, from the start of the run.
    """

    max_videos: int | None = None
    max_seconds: float | None = None

    def choose_batch(self, num_tried: int, seconds: float, rate: float | None, sizes: tuple[int, int]) -> int:
        """Return how many videos the next batch may have; 0 where the budget is used up.

        A batch is cut so that it ends in time at the rate so far. What is going is never broken off.

        Args:
            num_tried: videos tried in this run.
            seconds: since the run started.
            rate: videos a second; None where nothing tells.
            sizes: of a first batch that must find out the rate, and of a full one.
        """
        first, full = sizes
        size = full if self.max_videos is None else min(full, self.max_videos - num_tried)
        if self.max_seconds is not None:
            left = self.max_seconds - seconds
            size = min(size, (first if rate is None else max(1, int(rate * left))) if left > 0 else 0)
        return max(0, size)


@dataclass(frozen=True)
class BackfillProgress:
    """How far a backfill is.

    Attributes:
        num_videos: of the catalogue, without those that have been removed.
        num_done: of them, described and embedded.
        num_failed: of them, in quarantine.
        rate: videos a second that are tried; None where nothing tells.
    """

    num_videos: int
    num_done: int
    num_failed: int
    rate: float | None = None

    @property
    def num_left(self) -> int:
        """Videos that are to be tried."""
        return self.num_videos - self.num_done - self.num_failed

    @property
    def eta_seconds(self) -> float | None:
        """How long a run without a limit would take for what is left; None where nothing tells."""
        if not self.num_left:
            return 0.0
        return self.num_left / self.rate if self.rate else None

    def describe(self) -> str:
        """Tell it to people in a line."""
        share = 100 * self.num_done / self.num_videos if self.num_videos else 100.0
        parts = [f"done {self.num_done:,} of {self.num_videos:,} videos ({share:.1f} %)"]
        if self.num_failed:
            parts.append(f"{self.num_failed:,} in quarantine")
        parts.append(f"{self.num_left:,} to go")
        if self.num_left and self.eta_seconds is not None:
            eta = timedelta(seconds=round(self.eta_seconds))
            parts.append(f"{self.rate:.3g} videos/s, ETA {eta} of work")
        return ", ".join(parts)
