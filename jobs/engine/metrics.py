"""Pushes the metrics of a run to Prometheus when it ends, because a nightly job ends before it can be scraped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.contracts.run_log import log
from jobs.errors import UsageError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from jobs.config.operation import MetricsConfig
    from jobs.engine.summary import RunSummary

_TIMEOUT_SECONDS = 10.0


def check_client(config: MetricsConfig) -> None:
    """Check before any work starts that the metrics client is installed. Runs on: driver.

    Raises:
        UsageError: a Pushgateway is configured, and its client is not installed.
    """
    if config.pushgateway_url is None:
        return
    try:
        import prometheus_client  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "metrics.pushgateway_url is set, but prometheus-client is not installed; run pip install 'ndvr[metrics]'"
        ) from error


def push_summary(summary: RunSummary, config: MetricsConfig) -> None:
    """Push the metrics of a run if a Pushgateway is configured. Runs on: driver.

    A push replaces metrics with the same names of earlier runs on the lake, and keeps others. After a failed run,
    `ndvr_last_success_timestamp_seconds` is still that of the last successful run. A failed push logs a warning.
    """
    if config.pushgateway_url is None:
        return
    from prometheus_client import pushadd_to_gateway

    try:
        pushadd_to_gateway(
            config.pushgateway_url,
            job=config.job,
            registry=make_metrics(summary),
            grouping_key={"lake": summary.lake},
            timeout=_TIMEOUT_SECONDS,
        )
    except (OSError, ValueError) as error:  # unknown host, no answer, a status other than 2xx, or an invalid URL
        log.warning("metrics not pushed", url=config.pushgateway_url, why=str(error))
    else:
        log.info("metrics pushed", url=config.pushgateway_url)


def make_metrics(summary: RunSummary) -> CollectorRegistry:
    """Make gauges from a summary, in base units of Prometheus. Runs on: driver."""
    from prometheus_client import CollectorRegistry, Gauge

    registry = CollectorRegistry()

    def gauge(name: str, what: str, value: float) -> None:
        Gauge(name, what, registry=registry).set(value)

    def gauges(name: str, what: str, label: str, values: dict[str, float]) -> None:
        family = Gauge(name, what, [label], registry=registry)
        for key, value in values.items():
            family.labels(key).set(value)

    ended_at = summary.started_at.timestamp() + summary.seconds
    gauge("ndvr_run_exit_code", "Exit code of the last run; 0 is success", summary.exit_code)
    gauge("ndvr_run_seconds", "Duration of the last run", summary.seconds)
    gauge("ndvr_run_end_timestamp_seconds", "End of the last run", ended_at)
    if summary.status == "done":
        gauge("ndvr_last_success_timestamp_seconds", "End of the last published run", ended_at)
    gauge("ndvr_videos_described", "Videos that the last run described", summary.num_described)
    quarantined: dict[str, float] = {**summary.error_counts}
    gauges("ndvr_videos_quarantined", "Videos that the last run quarantined", "error_code", quarantined)
    unseen: dict[str, float] = {code: n for s in summary.stages for code, n in s.unseen_pairs.items()}
    gauges("ndvr_pairs_unseen", "Pairs of the last run that got no second look", "error_code", unseen)
    gauges(
        "ndvr_stage_seconds",
        "Duration of a stage of the last run",
        "stage",
        {s.stage: s.seconds for s in summary.stages},
    )
    rows: dict[str, float] = {s.stage: s.num_rows for s in summary.stages if s.num_rows is not None}
    gauges("ndvr_stage_rows", "Rows that a stage of the last run built", "stage", rows)
    gauges("ndvr_audit_value", "Value that an audit measured", "audit", {a.audit: a.value for a in summary.audits})
    gauges("ndvr_audit_limit", "Value above which an audit trips", "audit", {a.audit: a.limit for a in summary.audits})
    recalls = [s.search_recall for s in summary.stages if s.search_recall is not None]
    if recalls:
        gauge("ndvr_search_recall", "Estimated share of the pairs that cells found", recalls[0])
    return registry
