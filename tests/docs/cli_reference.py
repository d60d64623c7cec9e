"""The reference of the command line, made of the parsers themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from express.cli import COMMANDS, main


def reference() -> str:
    """Return every command with its arguments and options, as Markdown."""
    parts = [_options(main)]
    for name, command in sorted(commands().items()):
        parts += [f"## {name}", f"`{_usage(name, command)}`", _help(command), _options(command)]
    return "\n\n".join(part for part in parts if part) + "\n"


def commands() -> dict[str, click.Command]:
    """Return every command and every command of a command, by its full name."""
    context = click.Context(main, info_name="express")
    found: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = main.resolve_command(context, [name])[1]
        assert command is not None
        found.update(_with_inner(f"express {name}", command))
    return found


def _with_inner(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for inner_name, inner in command.commands.items():
            yield from _with_inner(f"{name} {inner_name}", inner)


def _usage(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    return " ".join([name, *command.collect_usage_pieces(context)])


def _help(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").partition("\f")[0].strip()


def _options(command: click.Command) -> str:
    context = click.Context(command)
    shown = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    rows = [_row(option, context) for option in shown if option.help and "--version" not in option.opts]
    return "\n".join(["| option | default | meaning |", "|---|---|---|", *rows]) if rows else ""


def _row(option: click.Option, context: click.Context) -> str:
    names = ", ".join(f"`{name}`" for name in sorted([*option.opts, *option.secondary_opts], key=len, reverse=True))
    value = "" if option.is_flag else f" `{_value(option, context)}`"
    meaning = " ".join((option.help or "").split())
    return (
        f"| {_cell(names + value)} | {_cell(_default(option))} | {_cell(meaning.removesuffix('.') + _range(option))}. |"
    )


def _value(option: click.Option, context: click.Context) -> str:
    return "NUMBER" if option.metavar is None and _is_number(option) else option.make_metavar(context)


def _is_number(option: click.Option) -> bool:
    return isinstance(option.type, click.types.IntParamType | click.types.FloatParamType)


def _range(option: click.Option) -> str:
    """Return the numbers that an option takes, where they are bounded."""
    if not isinstance(option.type, click.IntRange | click.FloatRange):
        return ""
    low, high = option.type.min, option.type.max
    if low is None or high is None:
        return "" if low is None and high is None else f" ({'at least' if high is None else 'at most'} {low or high:,})"
    return f" ({'above ' if option.type.min_open else ''}{low:,} to {high:,})"


def _default(option: click.Option) -> str:
    value = option.default
    if option.is_flag or option.multiple or not isinstance(value, str | int | float) or value == "":
        return ""
    return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
