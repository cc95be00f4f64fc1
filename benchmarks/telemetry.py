"""What telemetry costs: CPU of one send and its job, both in one process, with and without the libraries of the extras.

`python benchmarks/telemetry.py [--rounds 5]` measures each case in a process of its own, in turns with the others, so
that a machine that is busy with something else slows all of them alike. "no extras" cannot import what the extras
install; what they cost that are installed and not switched on is the difference to "installed, switched off".
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
from collections import defaultdict

EXTRAS = (
    *("opentelemetry", "prometheus_client", "starlette", "fastapi", "jinja2", "markupsafe", "cronsim", "libcst"),
    *("sqlalchemy", "django", "argcomplete", "mypy"),
)
NONE, OFF, PROMETHEUS, OTEL = "no extras", "installed, switched off", "Prometheus", "OpenTelemetry, all sampled"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--jobs", type=int, default=20_000)
    arguments.add_argument("--case", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.case:
        print(asyncio.run(measure(given.case, given.jobs)))
        return
    found: defaultdict[str, list[float]] = defaultdict(list)
    for number in range(given.rounds):
        cases = (NONE, OFF, PROMETHEUS, OTEL)
        for case in cases if number % 2 else cases[::-1]:
            command = [sys.executable, __file__, "--jobs", str(given.jobs), "--case", case]
            found[case].append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    base = statistics.median(found[NONE])
    print("| | us | least | most | of no extras |\n|---|---|---|---|---|")
    for case in (NONE, OFF, PROMETHEUS, OTEL):
        middle = statistics.median(found[case])
        print(f"| {case} | {middle:.0f} | {min(found[case]):.0f} | {max(found[case]):.0f} | {middle / base:.2f} |")


async def measure(case: str, jobs: int) -> float:
    """Return the microseconds of CPU of one send and its job."""
    if case == NONE:
        sys.modules |= dict.fromkeys(EXTRAS)  # type: ignore[arg-type]  # None: whoever imports it is told that it is not there
    from rig import Counter, Server, at_work, cpu, job, spread  # noqa: PLC0415  # after what cannot be imported is known

    import upnext  # noqa: PLC0415

    with Server() as server, switched_on(case):
        worker, counter = upnext.Worker("shop", redis_url=server.url, concurrency=100), Counter()
        event = worker.event("order.placed")

        @event.on
        async def mail(order_id: str, user_id: str, items: list[str]) -> None:
            counter.hit()

        async with at_work(worker):
            await spread(lambda n: event.send(**job(n)), range(jobs // 10))  # warms it up
            await counter.reached(jobs // 10)
            before = cpu()
            await spread(lambda n: event.send(**job(n)), range(jobs))
            await counter.reached(jobs // 10 + jobs)
            return (cpu() - before) / jobs * 1e6


@contextlib.contextmanager
def switched_on(case: str):  # noqa: ANN201  # of several libraries
    """Switch on what a case measures."""
    import upnext  # noqa: PLC0415

    if case == PROMETHEUS:
        from upnext.telemetry import metrics_of_process  # noqa: PLC0415

        metrics = metrics_of_process(lambda: (), lambda: ())
        assert metrics is not None, "prometheus_client is not installed"
        with metrics:
            yield
        return
    if case == OTEL:
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult  # noqa: PLC0415

        from upnext.telemetry.otel import OpenTelemetry  # noqa: PLC0415

        class Dropping(SpanExporter):
            def export(self, spans: object) -> SpanExportResult:
                return SpanExportResult.SUCCESS

        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(Dropping()))
        upnext.add_hooks(OpenTelemetry(tracer_provider=tracers, meter_provider=MeterProvider([InMemoryMetricReader()])))
    yield


if __name__ == "__main__":
    main()
