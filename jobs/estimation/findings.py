"""What an answered sample shows, for people and for programs."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jobs.contracts.times import format_utc
from jobs.estimation.estimating import NUM_MORE, choose_threshold, estimate_sample, predict_widths
from jobs.tables.estimates import QUANTITIES, format_share

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from jobs.estimation.estimating import Threshold
    from jobs.tables.estimates import Estimate

_NAMES = {
    "pairs_precision": "precision of pairs",
    "duplicates_precision": "precision of duplicates",
    "recall": "recall among candidates",
}


@dataclass(frozen=True)
class Findings:
    """An estimate with what follows from it.

    Attributes:
        estimate: precision and recall.
        num_pairs: pairs of the sample.
        min_probability: the threshold in use at the time of the draw.
        wanted: wanted precision of pairs.
        threshold: the threshold that reaches it, or None.
        widths: of each quantity, the width of its interval now and with `NUM_MORE` more answers.
    """

    estimate: Estimate
    num_pairs: int
    min_probability: float
    wanted: float
    threshold: Threshold | None
    widths: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, answered: pd.DataFrame, wanted: float) -> Findings:
        """Compute them from an answered sample, as `jobs.estimation.recording.read_answered` returns it."""
        first = answered.iloc[0]
        drawn_at = first["drawn_at"].to_pydatetime()  # pandas stores times as its own type, which Spark refuses
        estimate = estimate_sample(answered, first["sample_id"], drawn_at)
        threshold = choose_threshold(answered, wanted)
        widths = predict_widths(answered, estimate)
        return cls(estimate, len(answered), float(first["min_probability"]), wanted, threshold, widths)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        shares = {name: getattr(self.estimate, name) for name in QUANTITIES}
        return {
            "sample_id": self.estimate.sample_id,
            "drawn_at": format_utc(self.estimate.drawn_at),
            "num_pairs": self.num_pairs,
            "num_answers": self.estimate.num_answers,
            **{name: None if share is None else asdict(share) for name, share in shares.items()},
            "wanted_precision": self.wanted,
            "min_probability": self.min_probability,
            "threshold": None if self.threshold is None else asdict(self.threshold),
            "widths": {name: now for name, (now, _) in self.widths.items()},
            f"widths_with_{NUM_MORE}_more": {name: more for name, (_, more) in self.widths.items()},
        }

    def to_lines(self, lake: str) -> list[str]:
        """Return the lines for people."""
        made = self.estimate
        lines = [f"sample {made.sample_id}: {made.num_answers} of {self.num_pairs} pairs have an answer"]
        for name, what in _NAMES.items():
            share = getattr(made, name)
            lines.append(f"{what:<26}{share}, {_count(share.num_answers)}" if share else f"{what:<26}not measured")
        lines.append(self._describe_threshold())
        changes = [
            f"{_NAMES[name]} from {format_share(now)} to {format_share(more)}"
            for name, (now, more) in self.widths.items()
            if now > 0  # otherwise every pair has an answer
        ]
        if changes:
            num_wanted = self.num_pairs + NUM_MORE
            lines.append(f"{NUM_MORE} more answers change the width of the interval: {'; '.join(changes)}")
            lines.append(f"to draw them: ndvr sample --lake {shlex.quote(lake)} --pairs {num_wanted} --out FOLDER")
        return lines

    def _describe_threshold(self) -> str:
        """Return a line about the threshold for the wanted precision."""
        in_use, wanted = f"the threshold in use is {self.min_probability:.3f}", format_share(self.wanted)
        found = self.threshold
        if self.estimate.pairs_precision is None:
            return f"no pair of the table pairs has an answer, so no threshold can be chosen; {in_use}"
        if found is None:
            return f"no threshold reaches a precision of {wanted}; {in_use}"
        if found.min_probability == self.min_probability:
            return f"{in_use}, which reaches a precision of {wanted}: precision {found.precision}"
        return (
            f"a precision of {wanted} needs pairs.min_match_probability {found.min_probability:.3f}: precision "
            f"{found.precision}, {found.found_share:.3f} times the right pairs that are published now; {in_use}"
        )


def _count(num_answers: int) -> str:
    return f"{num_answers} answer{'s' * (num_answers != 1)}"
