"""Reading cases: any folder (or file) of the format, `*.jsonl` with one case a line, `*.json` with a list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

JSON = Any


class Case(msgspec.Struct, kw_only=True):
    """One case as the format has it; fields this struct does not name are for people."""

    id: str
    area: str = ""
    kind: str = "execution"
    machine_type: str = "EXPRESS"
    express_compatible: bool | None = None
    definition: JSON | UnsetType = UNSET
    definition_text: str | UnsetType = UNSET
    input: JSON | UnsetType = UNSET
    input_text: str | UnsetType = UNSET
    request: dict[str, JSON] = {}
    logging: dict[str, JSON] | None = None
    tasks: list[dict[str, JSON]] = []
    s3: dict[str, str] = {}
    spec: str | None = None
    expect: dict[str, JSON] = {}

    def text(self) -> str:
        """The definition as the text that an API call would carry."""
        return json.dumps(self.definition) if self.definition_text is UNSET else self.definition_text

    def data(self) -> JSON:
        """The execution input; `{}` where the case has none."""
        if self.input is not UNSET:
            return self.input
        return {} if self.input_text is UNSET else json.loads(self.input_text)


def load(paths: Iterable[Path]) -> list[Case]:
    """Every case below the given folders and files, in the order of file names."""
    cases = [case for path in paths for file in _files(path) for case in _read(file)]
    for case in cases:
        case.area = case.area or "unnamed"
    return cases


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is neither a file nor a folder")
    return sorted(file for file in path.rglob("*") if file.suffix in {".json", ".jsonl"})


def _read(file: Path) -> Iterator[Case]:
    text = file.read_text(encoding="utf-8")
    lines = [line for line in text.split("\n") if line.strip()] if file.suffix == ".jsonl" else [text]
    for data in (data for line in lines for data in _listed(json.loads(line))):
        if isinstance(data, dict) and "id" in data and "expect" in data:
            yield msgspec.convert({"area": file.stem, **data}, Case)


def _listed(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else [value]
