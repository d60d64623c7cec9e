"""`express serve`: the Step Functions API on this machine."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import rich_click
import uvloop

from express.cli import EXIT_HANDLER
from express.config import Config, load

if TYPE_CHECKING:
    from express.service.api import ApiServer
    from express.service.workflow_reload import RefusedWorkflow


@rich_click.command()
@rich_click.argument("workflows", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@rich_click.option(
    "-c", "--config", "files", multiple=True, type=click.Path(), help="Configuration file; may be repeated."
)
@rich_click.option("-p", "--profile", help="Profile: its [profile.NAME] wins over the rest of the files.")
@rich_click.option("--host", help="Address to listen on. Default: api.host.")
@rich_click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 is any free one. Default: api.port."
)
@rich_click.option(
    "--store", type=click.Path(dir_okay=False), help="File that keeps state machines. Default: api.store."
)
@rich_click.option("--ephemeral", is_flag=True, help="Keep state machines in memory only.")
@rich_click.option("--strict", is_flag=True, help="Hide Express executions, as AWS does.")
@rich_click.option(
    "--mock", metavar="FILE", help="Mock file for executions that are started with stateMachineArn#TESTCASE."
)
@rich_click.option("--watch", is_flag=True, help="Reload workflows and handlers when their files are saved.")
@rich_click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a value of the configuration; may be repeated.",
)
@click.pass_context
def command(
    ctx: click.Context,
    workflows: tuple[str, ...],
    files: tuple[str, ...],
    profile: str | None,
    host: str | None,
    port: int | None,
    store: str | None,
    ephemeral: bool,
    strict: bool,
    mock: str | None,
    watch: bool,
    settings: tuple[str, ...],
) -> None:
    """Serve the Step Functions API for boto3, the aws command and every SDK, with WORKFLOWS deployed.

    Ends with SIGTERM or Ctrl-C. `express env` prints what the tools need to find it.
    """
    from express.integrations.local import HandlerError
    from express.telemetry.process_log import log_to_stderr

    config = load(files, profile=profile, settings=settings).config
    config = _overridden(config, host, port, "" if ephemeral else store, strict)
    log_to_stderr(config.log.level, config.log.format, "api")
    sys.path[:0] = [str(Path.cwd()), *(str(Path(file).resolve().parent) for file in files)]
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            ctx.exit(runner.run(_serve(config, workflows, mock, watching=watch)))
    except HandlerError as error:
        click.echo(f"express: {error}", err=True)
        ctx.exit(EXIT_HANDLER)


def _overridden(config: Config, host: str | None, port: int | None, store: str | None, strict: bool) -> Config:
    given = {"host": host, "port": port, "store": store, "strict": True if strict else None}
    changes = {name: value for name, value in given.items() if value is not None}
    return msgspec.structs.replace(config, api=msgspec.structs.replace(config.api, **changes))


async def _serve(config: Config, workflows: tuple[str, ...], mock: str | None, *, watching: bool) -> int:
    from express.service.api import ApiServer
    from express.service.api_telemetry import ApiTelemetry
    from express.service.workflow_reload import RefusedWorkflow, deploy_file, watch

    server = ApiServer(
        config.api,
        config.function_table(),
        threads=config.workers.threads,
        config=config,
        mock=mock,
        **_kafka(config),
    )
    watched = ApiTelemetry(server, config)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await server.start()
    try:
        await watched.start()
        try:
            deployed = [await deploy_file(server.api, file) for file in workflows]
        except RefusedWorkflow as refusal:
            _show(refusal)
            return 1
        _banner(server, [arn for arn, _ in deployed])
        _say(f"metrics and health are at {watched.url}")
        task = asyncio.create_task(watch(server.api, workflows, server.integration, _say, _show)) if watching else None
        await ended.wait()
        if task is not None:
            task.cancel()
    finally:
        await watched.stop()
        await server.stop()
    return 0


def _kafka(config: Config) -> dict[str, Any]:
    """Return how to reach the cluster, and the input topics of state machines, for servers that need them."""
    from express.kafka.properties import client_properties
    from express.service.workflows import machine_name

    if not (config.api.queue or config.api.log_topic or config.kafka.produce):
        return {}
    topics = {machine_name(pipeline.workflow): pipeline.topics[0] for pipeline in config.pipelines}
    return {"topics": topics if config.api.queue else None, "kafka": client_properties(config.kafka).producer}


def _banner(server: ApiServer, arns: list[str]) -> None:
    _say(f"the Step Functions API is at {server.url}")
    for arn in arns:
        _say(f"deployed {arn}")
    _say(f'point AWS tools to it with: eval "$(express env --url {server.url})"')


def _say(line: str) -> None:
    click.echo(f"express: {line}", err=True)


def _show(refusal: RefusedWorkflow) -> None:
    """The findings as `express validate` shows them."""
    from express.cli.diagnosis import Options, diagnose
    from express.cli.rendering import FORMATS

    findings = diagnose(refusal.file, Path(refusal.file).read_bytes(), Options(type="EXPRESS"))
    shown = [finding for finding in findings if finding.diagnostic.severity == "ERROR"]
    click.echo(FORMATS["text"](shown) if shown else "\n".join(d.message for d in refusal.findings), err=True)
    _say(f"{refusal.file} can't be run")
