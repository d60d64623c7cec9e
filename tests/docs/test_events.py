"""The page about events says what inputs really look like, and its configuration loads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from express.config import load
from express.ports import Partition, Record
from express.runtime.records.envelope import opener
from tests.docs.blocks import blocks
from tests.docs.tables import PAGES

TEXT = (PAGES / "events.md").read_text(encoding="utf-8")
SHOWN = blocks(PAGES / "events.md")
INPUTS = {block.marks["input"]: block.text for block in SHOWN if "input" in block.marks}


def shown_record() -> Record:
    """The record that the page begins with."""
    text = SHOWN[0].text
    topic, partition, offset, timestamp = re.findall(
        r"topic (\w+), partition (\d+), offset (\d+), timestamp (\d+)", text
    )[0]
    key, value = re.findall(r"^key +(.*)$", text, re.M)[0], re.findall(r"^value +(.*)$", text, re.M)[0]
    named = re.findall(r"^headers +(.*)$", text, re.M)[0].split(", ")
    headers = tuple((name, content.encode()) for name, content in (header.split(": ") for header in named))
    return Record(topic, int(partition), int(offset), int(timestamp), key.encode(), value.encode(), headers)


@pytest.mark.parametrize("envelope", ["value", "record", "pipes", "cloudevents"])
def test_the_shown_inputs_are_the_real_ones(envelope: str) -> None:
    """Each input on the page is what the workflow gets of the record that the page shows."""
    record = shown_record()
    data, _ = opener(envelope, 262_144, "kafka-1:9092")(Partition("orders", 3), record)  # type: ignore[arg-type]

    assert json.dumps(data) == json.dumps(json.loads(INPUTS[envelope]))


def test_the_shown_configuration_loads(tmp_path: Path) -> None:
    """The example's pipeline is a valid one."""
    (tmp_path / "express.toml").write_text(re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)[0], encoding="utf-8")
    (pipeline,) = load([tmp_path / "express.toml"], environ={}).config.pipelines

    assert pipeline.workflows == [str(tmp_path / "refund.asl.json")]
    assert pipeline.input.envelope == "cloudevents"
