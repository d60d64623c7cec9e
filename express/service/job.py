"""What a worker process is told when it starts: JSON over a pipe, like everything between processes."""

from __future__ import annotations

import msgspec

from express.config import Config
from express.config.model import decode_custom, encode_custom


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's work. `definitions` holds the workflows as text, read once by the parent, so that all workers run
    the same: a pipeline's under its name, further ones under `PIPELINE/WORKFLOW`. `path` is where handlers are
    imported from. `others`: further workflows that executions may start, by their files. `isolated`: functions that
    run in processes of their own whatever their mode, since they have blocked the loop of a worker for too long.
    """

    worker: int
    config: Config
    definitions: dict[str, str]
    path: list[str] = []
    others: dict[str, str] = {}
    isolated: list[str] = []

    def encode(self) -> bytes:
        """The job as one line of JSON."""
        return msgspec.json.encode(self, enc_hook=encode_custom) + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Job:
        """The job that `encode` wrote."""
        return msgspec.json.decode(line, type=cls, dec_hook=decode_custom)
