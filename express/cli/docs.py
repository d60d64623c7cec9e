"""`express docs`: the documentation in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Collection

import rich_click as click

from express.asl.lint.report import did_you_mean
from express.cli import EXIT_USAGE
from express.docs.pages import Page, pages

WIDEST = 110
"""Columns of a line of text, at most: longer ones are hard to read."""


@click.command()
@click.argument("page", required=False)
@click.pass_context
def command(ctx: click.Context, page: str | None) -> None:
    """Print a page of the documentation: for reading on a terminal, as Markdown elsewhere.

    PAGE is the name of a page, or an unambiguous beginning of one. Without it, all pages are listed.
    """
    known = pages()
    if page is None:
        click.echo(listing(list(known.values())))
        return
    name = named(page, known)
    if name is None:
        hint = did_you_mean(page, known) or "`express docs` lists all"
        click.echo(f"express docs: no page {page!r}; {hint}", err=True)
        ctx.exit(EXIT_USAGE)
    show(known[name].text())


def named(text: str, known: Collection[str]) -> str | None:
    """Return the page that `text` means: its name, its file's name, or a beginning that no other page has."""
    wanted = text.lower().removesuffix(".md")
    if wanted in known:
        return wanted
    matches = [name for name in known if wanted and name.startswith(wanted)]
    return matches[0] if len(matches) == 1 else None


def listing(found: list[Page]) -> str:
    """Return the pages by section, a line each."""
    width = max(len(page.name) for page in found)
    lines: list[str] = []
    section = ""
    for page in found:
        if page.section != section:
            section = page.section
            lines += ["", section] if lines else [section]
        lines.append(f"  {page.name:<{width}}  {page.title}")
    return "\n".join(lines)


def show(text: str) -> None:
    """Show a page in the pager of a terminal, or print it as it is written where stdout is none."""
    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    console.width = min(console.width, WIDEST)
    with console.pager(styles=console.color_system is not None):
        console.print(Markdown(text, hyperlinks=False))
