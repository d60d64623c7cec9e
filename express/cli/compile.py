"""`express compile`: what the compiler makes of a definition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import rich_click

from express.cli.definitions import refuse
from express.errors import DefinitionError

if TYPE_CHECKING:
    from express.engine.program import Program, Row, Scope

_SPECIAL = {-1: "end", -2: "-"}


@rich_click.command()
@rich_click.argument("workflow", type=click.Path(exists=True, dir_okay=False))
@rich_click.option(
    "--show",
    type=click.Choice(["summary", "table", "source", "resources"]),
    default="summary",
    show_default=True,
    help="What to print.",
)
@click.pass_context
def command(ctx: click.Context, workflow: str, show: str) -> None:
    """Compile WORKFLOW and show the result, for example its table with one line per state."""
    from express.compiler import compile_definition
    from express.service.workflows import read_definition

    try:
        program = compile_definition(read_definition(workflow))
    except DefinitionError as error:
        refuse(ctx, workflow, error)
    for line in {"summary": summary, "table": table, "source": source, "resources": resources}[show](program):
        click.echo(line)


def summary(program: Program) -> Iterator[str]:
    """The figures of a program."""
    timeout = "5 minutes" if program.timeout is None else f"{program.timeout} s"
    yield f"type         {program.type}"
    yield f"states       {sum(1 for _, row, _ in _rows(program.scope) if row is not None)}"
    yield f"definition   {program.size} bytes, sha256 {program.digest[:16]}"
    yield f"timeout      {timeout}"
    yield f"resources    {len(set(resources(program)))}"


def table(program: Program) -> Iterator[str]:
    """The transition table: index, state, kind, next index, retriers and catchers."""
    lines = [("step", "state", "kind", "next", "retry", "catch")]
    for depth, row, step in _rows(program.scope):
        if row is None:
            lines.append(("", f"{'  ' * depth}{step}", "", "", "", ""))
        else:
            following = _SPECIAL.get(row.next, str(row.next))
            following = "chosen" if row.kind == "Choice" else "-" if row.kind in ("Succeed", "Fail") else following
            catch = ", ".join(f"{_errors(c.errors)} → {c.next}" for c in row.catch)
            retry = ", ".join(f"{_errors(r.errors)} ×{r.attempts}" for r in row.retry)
            lines.append((step, f"{'  ' * depth}{row.name}", row.kind, following, retry, catch))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def source(program: Program) -> Iterator[str]:
    """The generated segments: the second linking, which runs what the table would, as far as nothing goes wrong."""
    if program.segments is None:
        yield "# no segments: the first state has no fast form, so the transition table runs it all"
        return
    yield "# (row, data, counts, variables, bound, …): where an execution stands; see express/engine/segments.py"
    yield program.segments.source.rstrip()


def resources(program: Program) -> Iterator[str]:
    """Return what the tasks call."""
    yield from sorted({resource.arn for resource in program.resources})


def _errors(errors: frozenset[str]) -> str:
    return "|".join(sorted(errors))


def _rows(scope: Scope, depth: int = 0) -> Iterator[tuple[int, Row | None, str]]:
    """(depth, row, index) of a scope and the scopes in it; a row of None is the head of an inner scope."""
    for index, row in enumerate(scope.rows):
        start = ">" if index == scope.start else " "
        yield depth, row, f"{start}{index}"
        if row.kind == "Map":
            yield depth + 1, None, "each item"
            yield from _rows(row.plan.scope, depth + 1)
        for number, branch in enumerate(row.plan.branches if row.kind == "Parallel" else ()):
            yield depth + 1, None, f"branch {number}"
            yield from _rows(branch, depth + 1)
