"""The job of a worker process: JSON over a pipe, like everything between processes."""

from __future__ import annotations

import msgspec

from express.config import Config
from express.config.model import decode_custom, encode_custom


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's work, as its parent writes it."""

    worker: int
    config: Config
    definitions: dict[str, str]
    """The workflows as text, read once by the parent, so that all workers run the same.

    A pipeline's own is under its name, further ones are under `PIPELINE/WORKFLOW`.
    """
    path: list[str] = []
    """Folders that handlers are imported from."""
    others: dict[str, str] = {}
    """Further workflows that executions may start, by their files."""
    isolated: list[str] = []
    """Functions that run in processes of their own whatever their mode: they have blocked a loop for too long."""

    def encode(self) -> bytes:
        """The job as one line of JSON."""
        return msgspec.json.encode(self, enc_hook=encode_custom) + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Job:
        """The job that `encode` wrote."""
        return msgspec.json.decode(line, type=cls, dec_hook=decode_custom)
