"""`express deploy`: create or update a state machine on a running server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import rich_click

from express.cli import EXIT_FINDINGS
from express.cli.client import Client, server_options
from express.errors import ApiError

if TYPE_CHECKING:
    from express.asl.lint import MachineType
    from express.deploy.templates import Template
    from express.values import JSON

CREATED = "created"
DEFAULT_ROLE = "arn:aws:iam::123456789012:role/express"


@rich_click.command()
@rich_click.argument("file", type=click.Path(exists=True, dir_okay=False))
@rich_click.option("-n", "--name", help="Name of the state machine. Default: the template's, or the file's.")
@rich_click.option(
    "--type", "kind", type=click.Choice(["EXPRESS", "STANDARD"]), help="Default: the template's, EXPRESS."
)
@rich_click.option("--role", help=f"ARN of the execution role. Default: the template's, {DEFAULT_ROLE}.")
@rich_click.option(
    "-s",
    "--substitute",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="Value of ${NAME} in the file; may be repeated.",
)
@rich_click.option("-r", "--resource", "only", help="State machine of a template, where there are several.")
@rich_click.option("--publish", is_flag=True, help="Publish a version.")
@rich_click.option("--alias", metavar="NAME", help="Publish a version, and point this alias to it.")
@server_options
@click.pass_context
def command(
    ctx: click.Context,
    file: str,
    name: str | None,
    kind: MachineType | None,
    role: str | None,
    given: tuple[str, ...],
    only: str | None,
    publish: bool,
    alias: str | None,
    url: str,
) -> None:
    """Create the state machines of FILE, or update them, and print their ARNs.

    FILE is a definition, or a file that deployment tools keep definitions in: a template of CloudFormation, SAM or
    CDK, a Terraform plan or state (terraform show -json), serverless.yml. ${NAME} that the file does not say is
    filled in with -s.
    """
    from express.deploy.templates import read_templates

    values = dict(entry.partition("=")[::2] for entry in given)
    templates = read_templates(file, values, only)
    if name is not None and len(templates) > 1:
        names = ", ".join(template.name for template in templates)
        raise click.UsageError(f"{file} has {len(templates)} state machines ({names}): choose one with --resource")
    client = Client(url)
    for template in templates:
        wanted = template._replace(
            name=name or template.name,
            type=kind or template.type or "EXPRESS",
            role=role or template.role or DEFAULT_ROLE,
        )
        for left in template.left:
            click.echo(f"express: {wanted.name} keeps ${{{left}}} as it is, since nothing substitutes it", err=True)
        try:
            arn, version, done = _put(client, wanted, publish or alias is not None)
        except ApiError as error:
            if error.code != "InvalidDefinition":
                raise
            _show(file, template, wanted, values, error)
            ctx.exit(EXIT_FINDINGS)
        _tell(client, wanted, arn, version, done, alias)


def _tell(client: Client, template: Template, arn: str, version: str | None, done: str, alias: str | None) -> None:
    click.echo(f"express: {done} {arn}", err=True)
    if alias is not None and version is not None:
        arn = _point(client, arn, alias, version)
    click.echo(version if alias is None and version is not None else arn)


def _put(client: Client, template: Template, publish: bool) -> tuple[str, str | None, str]:
    """ARN, version if one was published, and what was done: created, updated, or nothing at all."""
    members = {
        "definition": template.definition,
        "roleArn": template.role,
        "loggingConfiguration": template.logging,
        "publish": publish or None,
    }
    try:
        arn = client.machine_arn(template.name)
        present = client.call("DescribeStateMachine", stateMachineArn=arn)
    except ApiError as error:
        if error.code != "StateMachineDoesNotExist":
            raise
        answer = client.call("CreateStateMachine", name=template.name, type=template.type, **members)
        return answer["stateMachineArn"], answer.get("stateMachineVersionArn"), CREATED
    if present["type"] != template.type:
        kept = f"express: {template.name} stays {present['type']}: the type of a state machine can't be changed"
        click.echo(kept, err=True)
    if _is_same(present, members):
        published = client.call("PublishStateMachineVersion", stateMachineArn=arn) if publish else {}
        return arn, published.get("stateMachineVersionArn"), "unchanged"
    answer = client.call("UpdateStateMachine", stateMachineArn=arn, **members)
    return arn, answer.get("stateMachineVersionArn"), "updated"


def _is_same(present: dict[str, JSON], members: dict[str, JSON]) -> bool:
    """Return whether an update would change nothing; what a template does not say stays as it is."""
    wanted = ("definition", "roleArn", "loggingConfiguration")
    return all(members[name] is None or members[name] == present.get(name) for name in wanted)


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


def _show(file: str, template: Template, wanted: Template, given: dict[str, str], error: ApiError) -> None:
    """The findings as `express validate` shows them, with their places in the file, or in what was made of it."""
    from express.cli.diagnosis import Options, diagnose
    from express.cli.rendering import FORMATS
    from express.config.files import read_bytes

    kind: MachineType = "STANDARD" if wanted.type == "STANDARD" else "EXPRESS"
    options = Options(type=kind, given=given, only=template.name, warnings=False)
    found = diagnose(file, read_bytes(file), options)
    found = found or diagnose(f"{template.name}.json", template.definition.encode(), options)
    click.echo(FORMATS["text"](found) if found else error.message, err=True)
    click.echo(f"express: {wanted.name} of {file} is refused", err=True)
