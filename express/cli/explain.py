"""`express explain`: what a code of `express validate` means."""

from __future__ import annotations

import contextlib
import json
import textwrap
from collections.abc import Sequence

import orjson
import rich_click as click

from express.asl.lint import RULES, Rule
from express.asl.lint.report import did_you_mean
from express.cli import EXIT_USAGE


@click.command()
@click.argument("code", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, code: str | None, *, as_json: bool) -> None:
    """Explain a code of `express validate`: its cause, a bad and a good example, the source of the rule.

    CODE is a code such as E0201, or one of AWS's such as MISSING_END_STATE. Without it, all codes are listed.
    """
    found = dict(RULES) if code is None else matching(code)
    if not found:
        assert code is not None
        names = [*RULES, *(rule.code for rule in RULES.values())]
        hint = did_you_mean(code.upper(), names) or "`express explain` lists all"
        click.echo(f"express explain: no code {code}; {hint}", err=True)
        ctx.exit(EXIT_USAGE)
    if as_json:
        click.echo(orjson.dumps(_plain(found), option=orjson.OPT_INDENT_2))
    elif code is None:
        click.echo(listing(found))
    else:
        click.echo("\n\n".join(page(name, rule) for name, rule in found.items()))


def matching(code: str) -> dict[str, Rule]:
    """The rules that a code means: one of ours, or all that share one of AWS's."""
    wanted = code.strip().upper()
    return {name: rule for name, rule in RULES.items() if wanted in (name, rule.code)}


def listing(rules: dict[str, Rule]) -> str:
    """One line per rule."""
    width = max(len(rule.code) for rule in rules.values())
    return "\n".join(f"{name}  {rule.code:<{width}}  {rule.title}" for name, rule in rules.items())


def page(name: str, rule: Rule) -> str:
    """All there is to say about a rule."""
    severity = f"{rule.severity.lower()}{', an error with --strict' if rule.disputed else ''}"
    only = " (found with --type EXPRESS)" if rule.type == "EXPRESS" else ""
    parts: Sequence[str] = (
        f"{name}  {rule.title}",
        f"{severity}; AWS's code {rule.code}{only}",
        _wrap(rule.cause),
        f"Bad:\n{_example(rule.bad)}",
        f"Good:\n{_example(rule.good)}",
        f"Source: {rule.spec}",
    )
    return "\n\n".join(parts)


def _wrap(text: str) -> str:
    return textwrap.fill(text, 100)


def _example(text: str) -> str:
    with contextlib.suppress(ValueError):  # some are bad because they are no JSON
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return "\n".join(f"  {line}" for line in text.splitlines())


def _plain(rules: dict[str, Rule]) -> list[dict[str, str | bool]]:
    return [
        {
            "rule": name,
            "code": rule.code,
            "severity": rule.severity,
            "strict": rule.disputed,
            "title": rule.title,
            "cause": rule.cause,
            "bad": rule.bad,
            "good": rule.good,
            "spec": rule.spec,
        }
        for name, rule in rules.items()
    ]
