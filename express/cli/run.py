"""`express run`: drain topics through workflows, for good."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import rich_click
import uvloop

from express.cli import EXIT_HANDLER
from express.cli.definitions import refuse
from express.config import load

if TYPE_CHECKING:
    from express.config import Config
    from express.service.service import Service

SHORT_DRAIN = 0.5
"""A drain that takes less is not worth a word."""


@rich_click.command()
@rich_click.option(
    "-c", "--config", "files", multiple=True, type=click.Path(), help="Configuration file; may be repeated."
)
@rich_click.option("-p", "--profile", help="Profile: its [profile.NAME] wins over the rest of the files.")
@rich_click.option("-w", "--workers", type=click.IntRange(0, 1024), help="Worker processes; 0 is one per CPU.")
@rich_click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a value of the configuration; may be repeated.",
)
@click.pass_context
def command(
    ctx: click.Context, files: tuple[str, ...], profile: str | None, workers: int | None, settings: tuple[str, ...]
) -> None:
    """Drain the input topics of every pipeline through its workflow, until SIGTERM or Ctrl-C.

    The first signal stops the intake, finishes what runs, commits, and ends with 0; the second ends at once.
    """
    from express.integrations.local import HandlerError
    from express.service.prepare import BrokenWorkflow, prepare, workers_of
    from express.service.service import Service
    from express.telemetry.process_log import log_to_stderr

    if workers is not None:
        settings = (*settings, f"workers.count={workers}")
    config = load(files, profile=profile, settings=settings).config
    log_to_stderr(config.log.level, config.log.format, "parent")
    try:
        job = prepare(config, [Path(file).parent for file in files])
    except BrokenWorkflow as error:
        refuse(ctx, error.file, error)
    if config.api.enabled:
        sys.path[:0] = job.path  # the API runs handlers in this process
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            ctx.exit(runner.run(_serve(Service(job, workers_of(config)), config)))
        except HandlerError as error:
            click.echo(f"express: {error}", err=True)
            ctx.exit(EXIT_HANDLER)


async def _serve(service: Service, config: Config) -> int:
    from express.service.announcements import Announcer, served

    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    def stop() -> None:
        told.set()
        service.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await service.start()
    _say(f"{service.workers} worker(s), metrics at {service.url}/metrics")
    if service.api_url:
        _say(f"the Step Functions API is at {service.api_url}")
    for line in served(config):
        _say(line)
    told_while_it_runs = [
        asyncio.create_task(Announcer(service.supervisor, service.workers, _say).run()),
        asyncio.create_task(_tell_drain(service, told)),
    ]
    code = await service.run()
    for task in told_while_it_runs:
        task.cancel()
    return code


def _say(text: str) -> None:
    click.echo(f"express: {text}", err=True)


async def _tell_drain(service: Service, told: asyncio.Event) -> None:
    """Once told to stop, say every second what is left, if anything is."""
    await told.wait()
    await asyncio.sleep(SHORT_DRAIN)
    left = service.supervisor.drain_seconds
    while left > 0:
        _say(f"draining {service.supervisor.in_flight} executions, {left:.0f} s left")
        await asyncio.sleep(1)
        left -= 1
