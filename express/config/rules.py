"""Rules that the shape of a configuration can't express: rules between keys, and where secrets may stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from express.config.client import client_problems
from express.config.cluster import cluster_problems
from express.config.external_rules import outside_problems
from express.config.lines import KeyPath
from express.config.model import Config, Pipeline
from express.config.quantities import is_reference
from express.config.topics import topic_problems
from express.config.validate import Problem

SECRET_KEY = re.compile(r"passw(or)?d|secret|token|credential|api[_.-]?key|jaas", re.IGNORECASE)

MAX_TIME_LIMIT = 300.0
"""An Express execution never runs longer (AWS quota)."""

MAX_PAYLOAD_LIMIT = 262_144


def rule_problems(config: Config) -> Iterator[Problem]:
    """Every broken rule of a configuration that has the right shape."""
    yield from _client_problems(config)
    yield from topic_problems(config)
    yield from _pipeline_problems(config)
    yield from _principal_problems(config)
    yield from outside_problems(config)
    if config.workers.restart_delay > config.workers.restart_delay_max:
        yield Problem(("workers", "restart_delay"), "is longer than restart_delay_max")


def flat_properties(client: dict[str, Any], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Client properties: TOML reads `sasl.password = …` as a table in a table."""
    for key, value in client.items():
        if isinstance(value, dict):
            yield from flat_properties(value, (*path, key))
        else:
            yield (*path, key), value


def property_name(path: KeyPath) -> str:
    """A client property in librdkafka's spelling, whichever was used.

    >>> property_name(("session_timeout_ms",)), property_name(("sasl", "password"))
    ('session.timeout.ms', 'sasl.password')
    """
    return ".".join(map(str, path)).replace("_", ".")


def _client_problems(config: Config) -> Iterator[Problem]:
    properties: dict[str, Any] = {}
    places: dict[str, KeyPath] = {}
    for path, value in flat_properties(config.kafka.client):
        name = property_name(path)
        properties[name] = value
        where = places[name] = ("kafka", "client", *path)
        if SECRET_KEY.search(name) and not is_reference(value):
            yield Problem(where, 'holds a secret: write where it is kept, "env:NAME" or "file:/path"')
    found = list(cluster_problems(config, properties, places))
    yield from found
    told = {problem.path for problem in found}
    yield from (problem for problem in client_problems(properties, places) if problem.path not in told)


def _principal_problems(config: Config) -> Iterator[Problem]:
    for index, principal in enumerate(config.api.principals):
        path: KeyPath = ("api", "principals", index)
        if principal.secret_access_key and not is_reference(principal.secret_access_key):
            place = (*path, "secret_access_key")
            yield Problem(place, 'holds a secret: write where it is kept, "env:NAME" or "file:/path"')
        if bool(principal.access_key_id) != bool(principal.secret_access_key):
            yield Problem(path, "access_key_id and secret_access_key belong together")
        if not (principal.access_key_id or principal.api_key_sha256 or principal.certificate):
            yield Problem(path, "needs a credential: an access key, api_key_sha256 or certificate")


def _pipeline_problems(config: Config) -> Iterator[Problem]:
    names: set[str] = set()
    drained: dict[tuple[str, str], str] = {}
    for index, pipeline in enumerate(config.pipelines):
        path: KeyPath = ("pipelines", index)
        if pipeline.name in names:
            yield Problem((*path, "name"), f"there are two pipelines named {pipeline.name!r}")
        names.add(pipeline.name)
        yield from _limit_problems(pipeline, path)
        yield from _header_problems(pipeline, path)
        yield from _logging_problems(config, pipeline, path)
        if config.api.queue:
            yield from _queue_problems(pipeline, path)
        for topic in pipeline.topics:
            other = drained.setdefault((topic, pipeline.group), pipeline.name)
            if topic in (pipeline.output, pipeline.dead_letter):
                yield Problem((*path, "topics"), f"{topic!r} is an output of this pipeline, which would feed itself")
            if pipeline.group and other != pipeline.name:
                yield Problem((*path, "group"), f"pipeline {other!r} drains {topic!r} in the same group")


def _logging_problems(config: Config, pipeline: Pipeline, path: KeyPath) -> Iterator[Problem]:
    levels = {pipeline.logging.level, *pipeline.logging.levels.values()}
    if levels - {"OFF"} and not (config.execution_log.file or config.execution_log.topic):
        place = (*path, "logging")
        yield Problem(place, "has nowhere to go: set execution_log.file or execution_log.topic")


def _limit_problems(pipeline: Pipeline, path: KeyPath) -> Iterator[Problem]:
    if not 0 < pipeline.time_limit <= MAX_TIME_LIMIT:
        yield Problem((*path, "time_limit"), "must be more than 0 and at most 5m, the cap of Express")
    if not 0 < pipeline.payload_limit <= MAX_PAYLOAD_LIMIT:
        yield Problem((*path, "payload_limit"), "must be more than 0 and at most 256KiB, the cap of Express")
    if pipeline.output == pipeline.dead_letter:
        yield Problem((*path, "dead_letter"), "is the output topic too: dead letters need one of their own")


OWN_HEADERS = ("express.", "__express.")
"""Prefixes of our own headers."""


def _header_problems(pipeline: Pipeline, path: KeyPath) -> Iterator[Problem]:
    given, results = pipeline.input, pipeline.results
    if given.execution_name == "event" and given.envelope != "cloudevents":
        place = (*path, "input", "execution_name")
        yield Problem(place, 'names executions after CloudEvents: set input.envelope = "cloudevents"')
    if pipeline.workflows and not given.workflow_header:
        yield Problem((*path, "workflows"), "can't be chosen: name the header that does in input.workflow_header")
    for index, header in enumerate(results.copy_headers):
        place = (*path, "results", "copy_headers", index)
        if header in ("traceparent", "tracestate"):
            yield Problem(place, f"{header!r} goes on by itself")
        elif header.startswith(OWN_HEADERS):
            yield Problem(place, f"{header!r} is a header that express writes itself")
        elif results.cloudevents != "off" and (header.startswith("ce_") or header.lower() == "content-type"):
            yield Problem(place, f"{header!r} belongs to the CloudEvent that the result is")


def _queue_problems(pipeline: Pipeline, path: KeyPath) -> Iterator[Problem]:
    """Return what StartExecution puts into the topic is a plain value without headers."""
    if pipeline.input.envelope != "value":
        place = (*path, "input", "envelope")
        yield Problem(place, 'api.queue puts plain values into the topic: only envelope = "value" reads them')
    if pipeline.input.workflow_header and pipeline.input.workflow_absent == "dead_letter":
        place = (*path, "input", "workflow_absent")
        yield Problem(place, "api.queue puts records without headers into the topic, which would be dead letters")
