"""`express dev`: the main job on one machine, with everything it needs, and a view of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from typing import TYPE_CHECKING

import click
import rich_click
import uvloop

from express.cli import EXIT_FINDINGS, EXIT_INTERRUPTED
from express.cli.numbers import MOST_EVENTS, MOST_PROCESSES, Seed
from express.service.dev_processes import ChildFailed, LineChild

if TYPE_CHECKING:
    from express.cli.live import Sampler
    from express.service.dev import Development, Options
    from express.verify.tally import Tally

DEFAULT_RATE = 2_000.0
BROKER = ("express.devbroker", "--partitions", "12", "--end-with-stdin")
NOTICE = "development broker: one node, in memory, not for production"


def _seconds(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    from express.config import Duration

    try:
        return float(Duration.parse(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _rate(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Events per second; inf for `max`, None where nothing was said."""
    if value is None or re.fullmatch(r"max|[1-9]\d{0,8}(\.\d{1,9})?", value):
        return None if value is None else float("inf") if value == "max" else float(value)
    raise click.BadParameter(f"{value!r} is neither a number of events per second nor max")


@rich_click.command()
@rich_click.option("--kafka", metavar="HOST:PORT", help="Kafka to use instead of the development broker.")
@rich_click.option("--rate", callback=_rate, help="Events per second, or max. Default: 2000; with --events: max.")
@rich_click.option(
    "--seed", type=Seed(), default=1, show_default=True, help="Seed of the events: the same seed, the same events."
)
@rich_click.option("--events", type=MOST_EVENTS, help="Number of events to end after.")
@rich_click.option("--duration", callback=_seconds, help="Duration to end after, such as 20s.")
@rich_click.option("-w", "--workers", type=MOST_PROCESSES, default=1, show_default=True, help="Worker processes.")
@rich_click.option(
    "--only",
    type=click.Choice(["iot", "orders", "documents"]),
    multiple=True,
    help="Sample workflow to run; may be repeated. Default: all.",
)
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
    kafka: str | None,
    rate: float | None,
    seed: int,
    events: int | None,
    duration: float | None,
    workers: int,
    only: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Start a broker, a stream of sample events, and the sample workflows that drain it, and watch them.

    With --events or --duration it ends by itself, with exit code 0 only if a reader of the topics finds a terminal
    record for every event. Ctrl-C drains and ends. All topics begin with "express-dev."; one that is there already
    and was not made by this command is refused with 104, and nothing is written.
    """
    from express.telemetry.process_log import log_to_stderr

    log_to_stderr("warning", "text", "dev")
    if rate is None:
        rate = float("inf") if events is not None else DEFAULT_RATE
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        broker = None if kafka else runner.run(LineChild.start(*BROKER))
        from express.service.dev import KINDS, Options

        options = Options(
            kafka=kafka,
            pipelines=only or tuple(KINDS),
            rate=None if rate == float("inf") else rate,
            seed=seed,
            events=events,
            seconds=duration,
            workers=workers,
            settings=settings,
        )
        ctx.exit(runner.run(_run(options, broker)))


async def _run(options: Options, broker: LineChild | None) -> int:
    view = View()
    try:
        address = options.kafka or (await _address(broker))
        return await _develop(options, address, view)
    except ChildFailed as error:
        click.echo(f"express: {error}", err=True)
        return EXIT_FINDINGS
    finally:
        if broker is not None:
            await broker.end()


async def _develop(options: Options, address: str, view: View) -> int:
    from express.service.dev import Development

    development = Development(options, address, view.log)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, development.interrupt)
    try:
        await development.start()
        view.banner(development)
        await _watch(development, view)
        return await _conclude(development, view)
    finally:
        await development.close()


async def _address(broker: LineChild | None) -> str:
    assert broker is not None
    return (await broker.expect_line()).decode().strip()


async def _watch(development: Development, view: View) -> None:
    """Show figures until all is done."""
    showing = asyncio.create_task(view.show(development))
    try:
        await development.finish()
    finally:
        showing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await showing


async def _conclude(development: Development, view: View) -> int:
    """The summary, and what it means for the exit code."""
    from express.cli.summary import lines

    options = development.options
    bounded = options.events is not None or options.seconds is not None
    if development.interrupted:
        for line in lines(development, None):
            click.echo(line)
        return EXIT_INTERRUPTED if bounded else development.exit_code
    found = await development.verify()
    for line in lines(development, found):
        click.echo(line)
    return development.exit_code or (EXIT_FINDINGS if _is_wrong(found, development) else 0)


def _is_wrong(found: Tally, development: Development) -> bool:
    return bool(found.missing) or found.expected < development.progress.acknowledged


class View:
    """The terminal: a table redrawn in place, or a line a second where there is none."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        plain = os.environ.get("TERM") == "dumb" or not sys.stderr.isatty()
        self._every = 1.0 if plain else 0.0

    def log(self, line: str) -> None:
        """Something a worker said."""
        self._console.print(line, markup=False)

    def banner(self, development: Development) -> None:
        """Print where everything is."""
        kind = "Kafka" if development.options.kafka else NOTICE
        rows = {
            "Kafka": f"{development.address}  ({kind})" if not development.options.kafka else development.address,
            "Metrics": f"{development.service.url}/metrics",
            "Health": f"{development.service.url}/readyz",
            "API": f'{development.service.api_url}  eval "$(express env --url {development.service.api_url})"',
            "Topics": ", ".join(topic for p in development.config.pipelines for topic in p.topics),
        }
        for name, value in rows.items():
            self._console.print(f"{name:<8} {value}", markup=False, soft_wrap=True)

    async def show(self, development: Development) -> None:
        """Show figures until cancelled."""
        from express.cli.live import FRAMES_PER_SECOND, Sampler
        from express.service.prepare import prices

        sampler = Sampler(development, prices(development.config))
        if self._every:
            while True:
                await asyncio.sleep(self._every)
                self._print_line(sampler)
        await self._redraw(development, sampler, 1 / FRAMES_PER_SECOND)

    def _print_line(self, sampler: Sampler) -> None:
        from express.cli.live import line

        self._console.print(line(sampler.rows()[-1]), markup=False, soft_wrap=True)

    async def _redraw(self, development: Development, sampler: Sampler, pause: float) -> None:
        from rich.live import Live

        from express.cli.live import table

        with Live(console=self._console, auto_refresh=False, transient=False) as live:
            while True:
                live.update(table(development, sampler.rows(), self._console.width), refresh=True)
                await asyncio.sleep(pause)
