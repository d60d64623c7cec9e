"""`express validate`: every mistake in state machine definitions."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence

import rich_click as click

from express.asl.lint import MachineType
from express.cli import EXIT_FINDINGS, EXIT_USAGE
from express.cli.diagnosis import STDIN, Finding, NoSuchFile, Options, diagnose, find_files, types
from express.cli.rendering import FORMATS
from express.config.files import MOST_BYTES, read_bytes


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--type",
    "machine_type",
    type=click.Choice(["STANDARD", "EXPRESS"], case_sensitive=False),
    help="Type of the state machines. Default: the template's, else either type that fits.",
)
@click.option("--format", "style", type=click.Choice(list(FORMATS)), default="text", show_default=True)
@click.option("--warnings/--no-warnings", default=True, help="Show warnings too; they never fail the run.")
@click.option("--strict", is_flag=True, help="Report as errors what AWS refuses and other engines accept.")
@click.option(
    "--placeholders/--no-placeholders",
    default=True,
    help="Let texts such as ${Name} stand for what a deployment tool fills in.",
)
@click.option(
    "-s",
    "--substitute",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="Value of ${NAME} in a template; may be repeated.",
)
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    machine_type: MachineType | None,
    style: str,
    *,
    warnings: bool,
    strict: bool,
    placeholders: bool,
    given: tuple[str, ...],
) -> None:
    """Find every mistake in state machine definitions.

    FILE is a file, a pattern such as 'workflows/**/*.asl.json', a folder, or - for the standard input. Definitions
    are JSON or YAML; those of CloudFormation, SAM, CDK, Terraform and Serverless files are read as `express deploy`
    reads them, with the files that they name. What can't be known is reported as not checked (W0008), a warning.

    Exit codes: 0 no errors; 1 errors found; 2 wrong usage. `express explain CODE` says more about a code.
    """
    values = dict(entry.partition("=")[::2] for entry in given)
    options = Options(type=machine_type, strict=strict, placeholders=placeholders, warnings=warnings, given=values)
    findings: list[Finding] = []
    kinds: Counter[str] = Counter()
    limited: list[str] = []
    try:
        names = find_files(files)
        for name in names:
            raw = _read(name)
            found = diagnose(_shown(name), raw, options)
            findings += found
            if machine_type is None and not any(f.diagnostic.severity == "ERROR" for f in found):
                _tell_types(_shown(name), raw, options, kinds, limited)
    except NoSuchFile as error:
        _usage(ctx, f"no definition is found at {error}")
    except OSError as error:
        _usage(ctx, f"{error.filename}: {error.strerror}")
    _write(FORMATS[style](findings))
    for line in limited:
        click.echo(line, err=True)
    click.echo(_summary(findings, len(names), kinds), err=True)
    ctx.exit(EXIT_FINDINGS if any(f.diagnostic.severity == "ERROR" for f in findings) else 0)


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read(MOST_BYTES) if name == "-" else read_bytes(name)


def _shown(name: str) -> str:
    return STDIN if name == "-" else os.path.normpath(name)


def _write(text: str) -> None:
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    if text:
        click.echo(text, color=False if plain else None)


def _usage(ctx: click.Context, sentence: str) -> None:
    click.echo(f"express validate: {sentence}", err=True)
    ctx.exit(EXIT_USAGE)


def _tell_types(name: str, raw: bytes, options: Options, kinds: Counter[str], limited: list[str]) -> None:
    """Count which types a definition can be, and say why where it can't be both."""
    possible, why = types(name, raw, options)
    if possible:
        kinds[" or ".join(possible)] += 1
    if why is not None:
        limited.append(f"{name} can be STANDARD, not EXPRESS: {' '.join(why.message.split())} at {why.location}")


def _summary(findings: Sequence[Finding], files: int, kinds: Counter[str]) -> str:
    """Return what was found, follow-on findings apart: they go when their cause goes."""
    own = [f.diagnostic for f in findings if not f.diagnostic.follows]
    errors = sum(found.severity == "ERROR" for found in own)
    warnings = len(own) - errors
    following = len(findings) - len(own)
    parts = [_count(errors, "error"), _count(warnings, "warning")]
    if following:
        parts.append(f"{following} that {'follows' if following == 1 else 'follow'} from these")
    told = ", ".join(f"{number} can be {kind}" for kind, number in sorted(kinds.items()))
    return f"{_count(files, 'file')}: {', '.join(parts)}{'; ' if told else ''}{told}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
