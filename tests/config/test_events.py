"""What of a record becomes an input, and what of it a result: keys, defaults, and combinations that make no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from express.config import Config, load
from express.errors import ConfigError

PIPELINE = """\
[[pipelines]]
name = "orders"
topics = ["orders"]
workflow = "order.asl.json"
output = "results"
dead_letter = "dead"
"""


def read(folder: Path, text: str) -> Config:
    """PIPELINE with more keys."""
    (folder / "express.toml").write_text(PIPELINE + text)
    return load([folder / "express.toml"], environ={}).config


def test_left_alone_it_is_the_plain_value(tmp_path: Path) -> None:
    """Without a word about it a pipeline reads values and writes values."""
    (pipeline,) = read(tmp_path, "").pipelines

    assert (pipeline.input.envelope, pipeline.input.workflow_header, pipeline.workflows) == ("value", "", [])
    assert (pipeline.results.cloudevents, pipeline.results.copy_headers) == ("off", [])


def test_further_workflows_are_files_beside_the_configuration(tmp_path: Path) -> None:
    """Relative names start at the folder of the file that names them."""
    (pipeline,) = read(tmp_path, 'workflows = ["a.asl.json"]\ninput.workflow_header = "w"\n').pipelines

    assert pipeline.workflows == [str(tmp_path / "a.asl.json")]


def test_lists_can_be_set_from_outside(tmp_path: Path) -> None:
    """A list of texts is written as in TOML on the command line, too."""
    (tmp_path / "express.toml").write_text(PIPELINE)
    settings = ['pipelines.orders.results.copy_headers=["a", "b"]']
    (pipeline,) = load([tmp_path / "express.toml"], settings=settings, environ={}).config.pipelines

    assert pipeline.results.copy_headers == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('input.envelope = "recrod"', "input.envelope: 'recrod' is not a choice; did you mean 'record'?"),
        ('input.envelop = "record"', "input.envelop: unknown key; did you mean 'envelope'?"),
        ('result.cloudevents = "binary"', "result: unknown key; did you mean 'results'?"),
        ('results.cloudevents = "batch"', "results.cloudevents: 'batch' is not a choice; known here: "),
        ('input.execution_name = "event"', 'set input.envelope = "cloudevents"'),
        (
            'workflows = ["a.asl.json"]',
            "workflows: can't be chosen: name the header that does in input.workflow_header",
        ),
        ('results.copy_headers = ["traceparent"]', "results.copy_headers[0]: 'traceparent' goes on by itself"),
        ('results.copy_headers = ["a", "express.status"]', "[1]: 'express.status' is a header that express writes"),
        (
            'results.cloudevents = "binary"\nresults.copy_headers = ["ce_id"]',
            "'ce_id' belongs to the CloudEvent that the result is",
        ),
        ("results.copy_headers = [" + '"h",' * 17 + "]", "results.copy_headers: Expected `array` of length <= 16"),
        (
            'input.envelope = "record"\n[api]\nqueue = true',
            'input.envelope: api.queue puts plain values into the topic: only envelope = "value" reads them',
        ),
        (
            'input.workflow_header = "w"\ninput.workflow_absent = "dead_letter"\n[api]\nqueue = true',
            "input.workflow_absent: api.queue puts records without headers",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, text: str, message: str) -> None:
    """File, line, key, and what would be right."""
    with pytest.raises(ConfigError) as refusal:
        read(tmp_path, text + "\n")

    assert message in str(refusal.value)
    assert str(refusal.value).startswith(f"{tmp_path / 'express.toml'}:")
