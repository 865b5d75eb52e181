"""A run's figures for Prometheus, pushed when it ends: a nightly job is over before anybody could scrape it."""

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
    """See that there is something to push with, before any work starts. Runs on: driver.

    Raises:
        UsageError: a Pushgateway is configured and its client is not installed.
    """
    if config.pushgateway_url is None:
        return
    try:
        import prometheus_client  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "metrics.pushgateway_url is set, and prometheus-client is not installed: pip install 'ndvr[metrics]'"
        ) from error


def push_summary(summary: RunSummary, config: MetricsConfig) -> None:
    """Push a run's figures, if the config says where to. Runs on: driver.

    A push replaces the figures of the same names that an earlier run of the lake left, and leaves the others: after a
    failed night `ndvr_last_success_timestamp_seconds` is the last good one's. One that fails is a warning in the log.
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
    except (OSError, ValueError) as error:  # no host, no answer, an answer that is no 2xx; no URL
        log.warning("metrics not pushed", url=config.pushgateway_url, why=str(error))
    else:
        log.info("metrics pushed", url=config.pushgateway_url)


def make_metrics(summary: RunSummary) -> CollectorRegistry:
    """Make gauges of a summary, in Prometheus's base units. Runs on: driver."""
    from prometheus_client import CollectorRegistry, Gauge

    registry = CollectorRegistry()

    def gauge(name: str, what: str, value: float) -> None:
        Gauge(name, what, registry=registry).set(value)

    def gauges(name: str, what: str, label: str, values: dict[str, float]) -> None:
        family = Gauge(name, what, [label], registry=registry)
        for key, value in values.items():
            family.labels(key).set(value)

    ended_at = summary.started_at.timestamp() + summary.seconds
    gauge("ndvr_run_exit_code", "Of the last run: 0 is done", summary.exit_code)
    gauge("ndvr_run_seconds", "How long the last run took", summary.seconds)
    gauge("ndvr_run_end_timestamp_seconds", "When the last run ended", ended_at)
    if summary.status == "done":
        gauge("ndvr_last_success_timestamp_seconds", "When the last run that was published ended", ended_at)
    gauge("ndvr_videos_described", "By the last run", summary.num_described)
    quarantined: dict[str, float] = {**summary.error_counts}
    gauges("ndvr_videos_quarantined", "By the last run", "error_code", quarantined)
    gauges("ndvr_stage_seconds", "Of the last run", "stage", {s.stage: s.seconds for s in summary.stages})
    rows: dict[str, float] = {s.stage: s.num_rows for s in summary.stages if s.num_rows is not None}
    gauges("ndvr_stage_rows", "Built by the last run", "stage", rows)
    gauges("ndvr_audit_value", "What was measured", "audit", {a.audit: a.value for a in summary.audits})
    gauges("ndvr_audit_limit", "It trips above this", "audit", {a.audit: a.limit for a in summary.audits})
    recalls = [s.search_recall for s in summary.stages if s.search_recall is not None]
    if recalls:
        gauge("ndvr_search_recall", "Share of the pairs that cells found, estimated", recalls[0])
    return registry
