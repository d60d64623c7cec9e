"""Pipelines by the names of their settings, wherever the configuration has them."""

from __future__ import annotations

from typing import Any

import msgspec

from express.config import Pipeline as Settings
from express.config.model import Input, Results
from express.runtime.drain.pipeline import Pipeline, Workflow

SECTIONS = {"input": Input, "results": Results}


def pipeline_of(workflow: Workflow, *, output: str = "out", dead_letter: str = "dead", **settings: Any) -> Pipeline:
    """A pipeline called `p`. Keys of `[[pipelines]]` and its tables by their names; the rest is the worker's."""
    ours = {key: settings.pop(key) for key in Pipeline.__struct_fields__ if key in settings}
    for name, section in SECTIONS.items():
        settings[name] = section(**{key: settings.pop(key) for key in section.__struct_fields__ if key in settings})
    known = Settings(name="p", topics=["in"], workflow="w", output=output, dead_letter=dead_letter, **settings)
    return Pipeline(settings=known, workflow=workflow, **ours)


def changed(pipeline: Pipeline, **settings: Any) -> Pipeline:
    """The same pipeline with other settings."""
    ours = {key: settings.pop(key) for key in Pipeline.__struct_fields__ if key in settings}
    known = pipeline.settings
    for name, section in SECTIONS.items():
        inner = {key: settings.pop(key) for key in section.__struct_fields__ if key in settings}
        known = msgspec.structs.replace(known, **{name: msgspec.structs.replace(getattr(known, name), **inner)})
    return msgspec.structs.replace(pipeline, settings=msgspec.structs.replace(known, **settings), **ours)
