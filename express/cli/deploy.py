"""`express deploy`: create or update a state machine on a running server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import rich_click

from express.cli import EXIT_FINDINGS
from express.cli.client import Client, server_options
from express.errors import ApiError, ConfigError

if TYPE_CHECKING:
    from express.asl.lint import MachineType

_PLACEHOLDER = re.compile(r"\$\{([^{}]+)\}")

DEFAULT_ROLE = "arn:aws:iam::123456789012:role/express"


@rich_click.command()
@rich_click.argument("file", type=click.Path(exists=True, dir_okay=False))
@rich_click.option("-n", "--name", help="The state machine's name. Default: the file's, without its ending.")
@rich_click.option("--type", "kind", type=click.Choice(["EXPRESS", "STANDARD"]), default="EXPRESS", show_default=True)
@rich_click.option("--role", default=DEFAULT_ROLE, show_default=True, help="The execution role's ARN.")
@rich_click.option("-s", "--substitute", "given", multiple=True, metavar="NAME=VALUE", help="Fill ${NAME} in the file.")
@rich_click.option("--publish", is_flag=True, help="Publish a version.")
@rich_click.option("--alias", metavar="NAME", help="Publish a version and let this alias lead to it.")
@server_options
@click.pass_context
def command(
    ctx: click.Context,
    file: str,
    name: str | None,
    kind: MachineType,
    role: str,
    given: tuple[str, ...],
    publish: bool,
    alias: str | None,
    url: str,
) -> None:
    """Create the state machine of FILE (.asl.json), or update it, and print its ARN.

    Templates of SAM, Terraform and the Serverless Framework leave ${NAME} in a definition: -s fills them in.
    """
    from express.service.workflows import machine_name

    text = substituted(Path(file).read_text(encoding="utf-8"), given, file)
    client = Client(url)
    try:
        arn, version, created = _put(client, name or machine_name(file), text, kind, role, publish or alias is not None)
    except ApiError as error:
        if error.code != "InvalidDefinition":
            raise
        _show(file, text, kind, error)
        ctx.exit(EXIT_FINDINGS)
    click.echo(f"express: {'created' if created else 'updated'} {arn}", err=True)
    if alias is not None and version is not None:
        arn = _point(client, arn, alias, version)
    elif version is not None:
        arn = version
    click.echo(arn)


def substituted(text: str, given: tuple[str, ...], file: str) -> str:
    """The text with every `${NAME}` filled in; values go into JSON strings as they are.

    Raises ConfigError that names what is left.
    """
    values = dict(entry.partition("=")[::2] for entry in given)
    text = _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
    left = sorted({match[0] for match in _PLACEHOLDER.finditer(text)})
    if left:
        raise ConfigError(f"{file} has {', '.join(left)}: say what they stand for with -s NAME=VALUE")
    return text


def _put(
    client: Client, name: str, text: str, kind: MachineType, role: str, publish: bool
) -> tuple[str, str | None, bool]:
    """ARN, version if one was published, and whether the machine is new."""
    try:
        answer = client.call(
            "CreateStateMachine", name=name, definition=text, type=kind, roleArn=role, publish=publish or None
        )
        return answer["stateMachineArn"], answer.get("stateMachineVersionArn"), True
    except ApiError as error:
        if error.code != "StateMachineAlreadyExists":
            raise
    arn = client.machine_arn(name)
    answer = client.call(
        "UpdateStateMachine", stateMachineArn=arn, definition=text, roleArn=role, publish=publish or None
    )
    return arn, answer.get("stateMachineVersionArn"), False


def _point(client: Client, arn: str, alias: str, version: str) -> str:
    """Let the alias lead to the version; its ARN."""
    routes = [{"stateMachineVersionArn": version, "weight": 100}]
    try:
        client.call("UpdateStateMachineAlias", stateMachineAliasArn=f"{arn}:{alias}", routingConfiguration=routes)
    except ApiError as error:
        if error.code != "ResourceNotFound":
            raise
        client.call("CreateStateMachineAlias", name=alias, routingConfiguration=routes)
    return f"{arn}:{alias}"


def _show(file: str, text: str, kind: MachineType, error: ApiError) -> None:
    """The findings as `express validate` shows them, with their places in the file."""
    from express.cli.diagnosis import Options, diagnose
    from express.cli.rendering import FORMATS

    found = diagnose(file, text.encode(), Options(type=kind))
    errors = [finding for finding in found if finding.diagnostic.severity == "ERROR"]
    click.echo(FORMATS["text"](errors) if errors else error.message, err=True)
    click.echo(f"express: {file} is refused", err=True)
