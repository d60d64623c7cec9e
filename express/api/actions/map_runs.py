"""Map Runs belong to distributed Maps, which come with Standard workflows: there are none."""

from __future__ import annotations

from express.api.arns import parse_arn
from express.api.context import Api, Members
from express.api.errors import does_not_exist, resource_not_found


async def describe_map_run(api: Api, request: Members) -> Members:
    """No Map Run is known here."""
    raise resource_not_found(parse_arn(request["mapRunArn"], "mapRun").text)


async def update_map_run(api: Api, request: Members) -> Members:
    """No Map Run is known here."""
    raise resource_not_found(parse_arn(request["mapRunArn"], "mapRun").text)


async def list_map_runs(api: Api, request: Members) -> Members:
    """Only Standard executions have Map Runs, and none is known here."""
    raise does_not_exist("Execution", parse_arn(request["executionArn"], "execution").text)
