"""Runs a definition in this process with everything a configuration lets it call."""

from __future__ import annotations

from typing import Any

from express.asl.resources import parse_resource
from express.config import Config
from express.engine.effects import Finish, StartTask
from express.integrations import ExternalIntegrations, LocalFunctions
from express.ports import TaskContext
from express.service.single_run import run_once
from express.values import JSON, dumps

EXECUTION = "arn:aws:states:us-east-1:123456789012:express:shop:t-0-7:5d1f"
CONTEXT = TaskContext(EXECUTION, "shop", deadline=1e12)
STATES = "arn:aws:states:::"


def task(resource: str, request: JSON, **more: Any) -> StartTask:
    return StartTask(1, parse_resource(STATES + resource), request, "S", "S#1", **more)


def machine(resource: str, **fields: Any) -> dict[str, JSON]:
    """A definition with one Task, whose parameters are its input."""
    return {"StartAt": "S", "States": {"S": {"Type": "Task", "Resource": STATES + resource, "End": True, **fields}}}


async def run(definition: JSON, data: JSON, config: Config) -> Finish:
    """One execution, through the executor, to its end."""
    once = await run_once("shop", dumps(definition), data, config.function_table(), config=config)
    return once.finish


def outside(config: Config) -> ExternalIntegrations:
    return ExternalIntegrations(config, LocalFunctions({}))
