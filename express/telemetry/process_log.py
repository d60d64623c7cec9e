"""The log of the processes themselves, on stderr: a few lines a minute, as text or as JSON lines.

Messages carry ids, names and sizes, never the data of an execution. Nothing a message holds can forge another
line, and none is longer than a KiB.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import orjson

from express.standard_streams import keep_messages, lost_lines

LONGEST = 1_024
QUIET = {
    "aiokafka": logging.CRITICAL,
    "opentelemetry": logging.CRITICAL,
    "asyncio": logging.ERROR,
    "aiohttp": logging.ERROR,
    "aiobotocore": logging.ERROR,
    "botocore": logging.ERROR,
}
"""Loggers of libraries, and what they may say: their hiccups are handled where they are used.

At debug they may inform, but not debug: there aiokafka tells whole records, and botocore session tokens.
"""

_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(32), 0x7F, 0x85, 0x2028, 0x2029)}


class TextFormatter(logging.Formatter):
    """`time LEVEL process logger: message`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return f"{_time(record)} {record.levelname:<7} {self._process} {record.name}: {_message(record)}"


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        fields = {
            "time": _time(record),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
            "message": _message(record),
        }
        return orjson.dumps(fields).decode()


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    """Return what is said, and the exception's own words; a traceback only in debug, as escaped text."""
    text = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        text += f": {type(error).__name__}: {error}"
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            text += f" {logging.Formatter().formatException(record.exc_info)}"
    return text[:LONGEST].translate(_ESCAPES)


def log_to_stderr(level: str, form: str, process: str) -> None:
    """Set up the logging of this process."""
    formatter = JsonFormatter(process) if form == "json" else TextFormatter(process)
    keep_messages(lambda count, reason: formatter.format(_warning(lost_lines(count, reason))))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, quiet in QUIET.items():
        logging.getLogger(name).setLevel(logging.INFO if level == "debug" else quiet)


def _warning(text: str) -> logging.LogRecord:
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None)
