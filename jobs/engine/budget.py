"""The budget of a backfill, its progress, and the estimated time for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class BackfillBudget:
    """Limits of a run; None means no limit.

    Attributes:
        max_videos: number of videos to process.
        max_seconds: wall-clock time from the start of the run.
    """

    max_videos: int | None = None
    max_seconds: float | None = None

    def choose_batch(self, num_tried: int, seconds: float, rate: float | None, sizes: tuple[int, int]) -> int:
        """Return the number of videos in the next batch; 0 if the budget is used up.

        The batch is sized to end in time at the rate so far. A running batch is never interrupted.

        Args:
            num_tried: videos processed in this run.
            seconds: seconds since the run started.
            rate: videos per second; None if unknown.
            sizes: size of a first batch that measures the rate, and of a full batch.
        """
        first, full = sizes
        size = full if self.max_videos is None else min(full, self.max_videos - num_tried)
        if self.max_seconds is not None:
            left = self.max_seconds - seconds
            size = min(size, (first if rate is None else max(1, int(rate * left))) if left > 0 else 0)
        return max(0, size)


@dataclass(frozen=True)
class BackfillProgress:
    """Progress of a backfill.

    Attributes:
        num_videos: videos of the catalogue, without removed ones.
        num_done: videos that are described and embedded.
        num_failed: videos in quarantine.
        rate: processed videos per second; None if unknown.
    """

    num_videos: int
    num_done: int
    num_failed: int
    rate: float | None = None

    @property
    def num_left(self) -> int:
        """Videos that are still pending."""
        return self.num_videos - self.num_done - self.num_failed

    @property
    def eta_seconds(self) -> float | None:
        """Seconds that the pending videos take without a limit; None if unknown."""
        if not self.num_left:
            return 0.0
        return self.num_left / self.rate if self.rate else None

    def describe(self) -> str:
        """Return the progress as one line for people."""
        share = 100 * self.num_done / self.num_videos if self.num_videos else 100.0
        parts = [f"done {self.num_done:,} of {self.num_videos:,} videos ({share:.1f} %)"]
        if self.num_failed:
            parts.append(f"{self.num_failed:,} in quarantine")
        parts.append(f"{self.num_left:,} to go")
        if self.num_left and self.eta_seconds is not None:
            eta = timedelta(seconds=round(self.eta_seconds))
            parts.append(f"{self.rate:.3g} videos/s, ETA {eta} of work")
        return ", ".join(parts)
