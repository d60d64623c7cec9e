"""The page about headers has all that results and dead letters can have, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from express.engine.effects import Finish
from express.integrations import kafka_produce
from express.ports import Partition, Record
from express.runtime.records import json_input, refusals
from express.runtime.records.terminal_record import (
    LETTER,
    DeadLetter,
    Naming,
    letter_headers,
)
from tests.docs.messages import HOLE, exists, texts_of
from tests.docs.tables import PAGES

PAGE = (PAGES / "headers.md").read_text(encoding="utf-8")
INPUT = Partition("orders", 3)


def listed(heading: str) -> list[str]:
    """Return the headers in the first table below a heading."""
    below = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0].split("\n### ")[0]
    return re.findall(r"^\| `([\w.-]+)` \|", below, re.MULTILINE)


def test_headers_of_results() -> None:
    """Those of an execution that failed, in the order in which they are written."""
    naming = Naming("arn:aws:states:us-east-1:1:express:m:", INPUT)
    finish = Finish("FAILED", error="E", cause="C")
    assert listed("Results") == [name for name, _ in naming.result_headers(7, "arn", finish, 1, 2, (100, 64))]


def test_headers_of_dead_letters() -> None:
    """All names that the code keeps for itself, and those of every dead letter first, in order."""
    letter = DeadLetter(stage="s", disposition="d", error="e", cause="c", arn="a", state_machine_arn="m")
    always = [name for name, _ in letter_headers(INPUT, Record("orders", 3, 7, 1, b"key", b"value", ()), letter)]
    assert listed("Dead letters")[: len(always)] == always
    assert sorted(listed("Dead letters")) == sorted(LETTER)


def test_headers_of_records_that_tasks_produce() -> None:
    """The two that lead back to the execution."""
    assert listed("Records that tasks produce") == [kafka_produce.EXECUTION_ARN, kafka_produce.IDEMPOTENCY_KEY]


def test_dispositions() -> None:
    """Every disposition is there, with causes that the code has."""
    rows = re.findall(r"^\| `([A-Z]+)` \| `(\w+)` \| `(States\.\w+)` \| `(.*?)` \|", PAGE, re.MULTILINE)
    assert {row[0] for row in rows} == {json_input.POISON, json_input.OVERSIZE, refusals.REFUSED}
    causes = {cause for *_, cause in rows}
    assert [cause for cause in causes if not exists(cause)] == []
    folder = Path(json_input.__file__).parent
    said = {text for file in folder.glob("*.py") for text in texts_of(file)}
    refusing = {text.replace(HOLE, "…") for text in said if re.match(r"The (?!output)|Not ", text)}
    assert refusing == causes
