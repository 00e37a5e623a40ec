"""Counts of the requests that one web process has answered since it started; each process reports its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

Kind = Literal["api", "download", "other"]

BUCKET_SECONDS = (0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600)


class RequestMetrics(Collector):
    """Requests by kind and class of status, how long answers took, bytes of bodies."""

    def __init__(self, in_flight: Callable[[], int]) -> None:
        self._in_flight = in_flight
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "holdfast_http_requests",
            "Requests that were answered, by the class of the status; none: cut off before.",
            ("kind", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "holdfast_http_request_duration_seconds",
            "Time from a request to the end of its answer.",
            ("kind",),
            buckets=BUCKET_SECONDS,
            registry=self._registry,
        )
        self._bytes = Counter(
            "holdfast_http_response_bytes", "Bytes of the answers' bodies.", ("kind",), registry=self._registry
        )

    def note(self, kind: Kind, status: int, seconds: float, sent: int) -> None:
        """Count a request. `status`: 0 when it got no answer; `sent`: bytes of its body."""
        self._requests.labels(kind, f"{status // 100}xx" if status else "none").inc()
        self._seconds.labels(kind).observe(seconds)
        self._bytes.labels(kind).inc(sent)

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "holdfast_http_requests_in_flight", "Requests whose answer is not finished.", self._in_flight()
        )
        yield from self._registry.collect()
