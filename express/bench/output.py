"""Files of a run: the result as JSON, a CSV time series, histograms for HdrHistogram's tools, the report."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import msgspec

from express.bench.collect import KINDS, Collector
from express.bench.histogram import hgrm, hlog
from express.bench.report import html
from express.bench.result import Result, Second, encode
from express.config.files import read_bytes
from express.errors import ConfigError

RESULT, SERIES, LOG, REPORT = "result.json", "series.csv", "latency.hlog", "report.html"


def write_all(folder: str, result: Result, collector: Collector, started: float) -> None:
    """Write every file into `folder`, which is made if need be. Raises ConfigError where that fails."""
    files = {
        RESULT: encode(result).decode() + "\n",
        SERIES: series_csv(result),
        LOG: hlog(collector.intervals, started),
        REPORT: html(result),
        **{f"{kind}.hgrm": hgrm(collector.histograms[kind]) for kind in KINDS},
    }
    for name, text in files.items():
        write(Path(folder) / name, text)


def write(file: Path, text: str) -> None:
    """Write one file. Raises ConfigError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} can't be written: {error.strerror}") from error


def series_csv(result: Result) -> str:
    """A row per second."""
    out = io.StringIO()
    writer = csv.DictWriter(out, Second.__struct_fields__, lineterminator="\n")
    writer.writeheader()
    writer.writerows(msgspec.structs.asdict(second) for second in result.series)
    return out.getvalue()


def read_result(file: str) -> Result:
    """A result that was written before. Raises ConfigError."""
    try:
        return msgspec.json.decode(read_bytes(file), type=Result)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{file} is no result of `express bench --json`: {error}") from error
