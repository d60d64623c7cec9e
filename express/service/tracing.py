"""Traces wired: from the `[traces]` section to a tracer, where they are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from express.config import reveal
from express.config.quantities import is_reference
from express.errors import ConfigError
from express.telemetry.trace_sampling import Tracer

if TYPE_CHECKING:
    from express.config import Traces


def make_tracer(settings: Traces) -> Tracer | None:
    """A tracer that runs, or None where no receiver is named. Raises ConfigError without the extra `otel`."""
    if not settings.endpoint:
        return None
    try:
        from express.telemetry.otlp_export import OtlpExport
    except ImportError as missing:
        raise ConfigError(f"[traces] needs more packages ({missing.name}): pip install 'express[otel]'") from missing
    headers = {name: reveal(text) if is_reference(text) else text for name, text in settings.headers.items()}
    export = OtlpExport(
        settings.endpoint,
        service=settings.service,
        headers=headers,
        timeout=settings.timeout,
    )
    return Tracer(export, ratio=settings.ratio, slowest=settings.slowest, waiting=settings.waiting)
