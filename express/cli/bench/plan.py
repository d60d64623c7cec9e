"""From the options of `express bench` to a plan: everything that can be wrong is found here, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click
import msgspec

from express.bench.events import GENERATED, TEMPLATE, read_events, supply
from express.bench.plan import Plan
from express.bench.replay import offsets, timed
from express.bench.result import REPLAY, Load
from express.bench.schedule import Stage, parse_rate
from express.cli.definitions import refuse, registered
from express.compiler import compile_definition
from express.config import Config, Function, Pipeline, choose, load
from express.docs.samples import shipped
from express.errors import ConfigError, DefinitionError
from express.integrations.mocks import read_mocks
from express.service.child_executions.worker import attaches
from express.service.prepare import prices, workers_of
from express.service.workflows import machine_name, read_definition, workflow_files

DEFAULT_SECONDS = 30.0
TRACED = 100
"""Executions that are run again after the load, for the time of each state."""

EXCLUSIVE = (
    ("pipeline", "target"),
    ("pipeline", "mock"),
    ("pipeline", "closed"),
    ("target", "mock"),
    ("target", "find_max"),
)
"""Options that say things that can't both be."""


def plan_of(ctx: click.Context, workflow: str | None, options: dict[str, Any]) -> Plan:
    """The plan that the command line asks for. Raises ConfigError and click's usage errors."""
    _check(workflow, options)
    file, _, chosen = (options["pipeline"] or "").partition("#")
    files = [*([file] if file else []), *options["files"]]
    config = load(files, settings=options["settings"]).config
    functions: dict[str, str | Function] = {**config.functions, **registered(options["named"])}
    configured = config
    pipelines = [_pipeline(config, file, chosen)] if file else []
    config = msgspec.structs.replace(config, functions=functions, pipelines=pipelines)
    if pipelines:
        workflow = pipelines[0].workflow
    assert workflow is not None
    try:
        text = read_definition(workflow)
        program = compile_definition(text)
    except DefinitionError as error:
        refuse(ctx, workflow, error)
    mock, _, case = (options["mock"] or "").partition("#")
    folders = (Path(), *(Path(name).parent for name in files))
    plan = Plan(
        name=machine_name(workflow),
        definition=text.decode(),
        config=config,
        prices=prices(config),
        path=list(dict.fromkeys(str(folder.resolve()) for folder in folders)),
        load=_load({**options, "given": input_of(options["given"], workflow)}, config),
        stages=[],
        drain_seconds=options["drain"],
        traced=0 if options["find_max"] else TRACED,
        mock=read_mocks(mock) if mock else None,
        case=case or None,
        partitions=options["partitions"],
        others=workflow_files(configured) if attaches(program) else [],
    )
    next(supply(plan.sample))
    if options["find_max"] or options["closed"]:
        return plan
    return (
        replayed(plan, options["duration"])
        if options["rate"] == REPLAY
        else at_rate(plan, options["rate"], options["duration"])
    )


def at_rate(plan: Plan, rate: str, duration: float | None) -> Plan:
    """The plan for a rate, with its warm-up before it."""
    stages = parse_rate(rate, duration)
    warmup = plan.load.warmup_seconds
    changed = msgspec.structs.replace(plan.load, rate=rate, seconds=sum(stage.seconds for stage in stages))
    first = stages[0].first
    before = [Stage(first, first, warmup)] if warmup and first else []
    return msgspec.structs.replace(plan, load=changed, stages=[*before, *stages])


def replayed(plan: Plan, duration: float | None) -> Plan:
    """The plan for the captured times of the input; there is no warm-up, since the first event has no time before."""
    load = plan.load
    if load.input in GENERATED or load.input.endswith(TEMPLATE) or load.time_field is None:
        raise ConfigError("--rate replay needs a file of events, and --time-field that says where their times stand")
    due = offsets([time for time, _ in timed(read_events(load.input), load.time_field)], load.speed, duration)
    seconds = duration or due[-1] + 0.001
    changed = msgspec.structs.replace(load, seconds=seconds, warmup_seconds=0.0)
    return msgspec.structs.replace(plan, load=changed)


def _check(workflow: str | None, options: dict[str, Any]) -> None:
    for one, other in EXCLUSIVE:
        if options[one] and options[other]:
            raise ConfigError(f"--{_flag(one)} can't be combined with --{_flag(other)}")
    if options["closed"] and (options["rate"] or options["find_max"]):
        raise ConfigError("--closed is another model of load than --rate and --find-max: choose one")
    if not (options["closed"] or options["rate"] or options["find_max"]):
        raise ConfigError("one of --rate, --closed and --find-max is needed")
    if options["find_max"] and options["rate"] == REPLAY:
        raise ConfigError("--find-max needs a rate that can be changed, which a replay is not")
    if workflow is None and not options["pipeline"]:
        raise click.UsageError("a WORKFLOW is needed, or --pipeline")
    if workflow is not None and not Path(workflow).is_file():
        raise click.UsageError(f"there is no file {workflow}")


def _flag(name: str) -> str:
    return name.replace("_", "-")


SAMPLES = {"iot-routing": "iot", "order-fulfilment": "orders", "document-processing": "documents"}
"""Workflow that comes with express → the input that it is made for."""


def input_of(given: str | None, workflow: str) -> str:
    """Return what the events are. Raises ConfigError for a workflow of the user's without an input."""
    if given is not None:
        return given
    name = machine_name(workflow)
    if name in SAMPLES and read_definition(workflow) == read_definition(shipped(f"workflows/{name}.asl.json")):
        return SAMPLES[name]
    raise ConfigError(
        f"--input says what events {name} gets: a file (.json, .jsonl, .csv, .template.json), or the sample events "
        f"{', '.join(GENERATED)}"
    )


def _pipeline(config: Config, file: str, name: str) -> Pipeline:
    """The pipeline of that name, or the first."""
    table = {pipeline.name: pipeline for pipeline in config.pipelines}
    if not table:
        raise ConfigError(f"{file} has no [[pipelines]]")
    if name:
        choose(name, table, f"pipeline in {file}:")
        return table[name]
    first, *others = config.pipelines
    if others:
        rest = ", ".join(f"{file}#{pipeline.name}" for pipeline in others)
        click.echo(f"express: pipeline {first.name}, the first of {len(table)}; the others: {rest}", err=True)
    return first


def _load(options: dict[str, Any], config: Config) -> Load:
    arrivals: Literal["constant", "poisson", "closed", "replay"] = options["arrivals"]
    if options["closed"]:
        arrivals = "closed"
    if options["rate"] == REPLAY:
        arrivals = "replay"
    workers = 1
    if options["pipeline"]:
        workers = 0 if options["no_worker"] else options["workers"] or workers_of(config)
    return Load(
        input=options["given"],
        rate=options["rate"],
        arrivals=arrivals,
        closed=options["closed"],
        seconds=DEFAULT_SECONDS if options["duration"] is None else options["duration"],
        warmup_seconds=options["warmup"],
        concurrency=options["concurrency"],
        backlog=options["backlog"],
        seed=options["seed"],
        mock=options["mock"],
        target=options["target"],
        pipeline=options["pipeline"],
        workers=workers,
        event_bytes=options["event_bytes"],
        keys=options["keys"],
        key_skew=options["key_skew"],
        key_field=options["key_field"],
        time_field=options["time_field"],
        speed=options["speed"],
    )
