"""One measured process: a framework and a variant; takes orders as lines on its input and answers with CPU times; it compares nothing."""

import importlib.util
import json
import os
import sys
import time

import calls


def main():
    framework, variant, path, sink = sys.argv[1:5]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    # Nothing that a variant prints may get among the answers.
    os.dup2(2, 1)
    if variant == "sentry-sdk":
        import sentry_sdk

        sentry_sdk.init(dsn=sink)
    app = _load(path)
    spans = _instrument(framework, app) if variant == "opentelemetry" else None
    call = calls.caller(framework, app)
    ready = calls.check(framework, app)
    if variant == "homeostasis":
        ready = ready and "homeostasis_agent.channel" in sys.modules
    if variant == "bare":
        # FastAPI itself imports the interface of OpenTelemetry where it is installed.
        ready = ready and not {"homeostasis_agent", "sentry_sdk", "opentelemetry.sdk"} & set(sys.modules)
    answers.write(json.dumps({"ready": ready}) + "\n")
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "call":
            began, own = time.process_time(), time.thread_time()
            statuses = call(order["paths"])
            answer = {"began": began, "own": time.thread_time() - own, "wrong": sum(status != order["status"] for status in statuses),
                      "answers": len(statuses)}
        elif order["do"] == "settle":
            _settle(variant)
            answer = {"cpu": time.process_time()}
        else:
            answer = {"spans": spans() if spans else None}
        answers.write(json.dumps(answer) + "\n")


def _load(path):
    """The program is imported by its path, as `flask --app` and `uvicorn` import modules."""
    spec = importlib.util.spec_from_file_location("shop", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["shop"] = module
    sys.path.insert(0, os.path.dirname(path))
    spec.loader.exec_module(module)
    return module.app


def _instrument(framework, app):
    """Tracing with the batch processor of production and an exporter that keeps only a count."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Counting(SpanExporter):
        count = 0

        def export(self, spans):
            Counting.count += len(spans)
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Counting()))
    trace.set_tracer_provider(provider)
    if framework == "flask":
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        FlaskInstrumentor().instrument_app(app)
    else:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

        FastAPIInstrumentor.instrument_app(app)

    def exported():
        provider.force_flush()
        return Counting.count

    return exported


def _settle(variant):
    """What a variant has put off belongs to the requests that caused it."""
    if variant == "sentry-sdk":
        import sentry_sdk

        sentry_sdk.flush(10)
    elif variant == "opentelemetry":
        from opentelemetry import trace

        trace.get_tracer_provider().force_flush()


if __name__ == "__main__":
    main()
