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
    from express.service.templates import Template

DEFAULT_ROLE = "arn:aws:iam::123456789012:role/express"


@rich_click.command()
@rich_click.argument("file", type=click.Path(exists=True, dir_okay=False))
@rich_click.option("-n", "--name", help="The state machine's name. Default: the template's, or the file's.")
@rich_click.option(
    "--type", "kind", type=click.Choice(["EXPRESS", "STANDARD"]), help="Default: the template's, EXPRESS."
)
@rich_click.option("--role", help=f"The execution role's ARN. Default: the template's, {DEFAULT_ROLE}.")
@rich_click.option("-s", "--substitute", "given", multiple=True, metavar="NAME=VALUE", help="Fill ${NAME} in the file.")
@rich_click.option("-r", "--resource", "only", help="Of a template, this state machine only.")
@rich_click.option("--publish", is_flag=True, help="Publish a version.")
@rich_click.option("--alias", metavar="NAME", help="Publish a version and let this alias lead to it.")
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
    from express.service.templates import read_templates

    templates = read_templates(file, dict(entry.partition("=")[::2] for entry in given), only)
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
        _deploy(ctx, client, file, wanted, publish, alias)


def _deploy(
    ctx: click.Context, client: Client, file: str, template: Template, publish: bool, alias: str | None
) -> None:
    try:
        arn, version, created = _put(client, template, publish or alias is not None)
    except ApiError as error:
        if error.code != "InvalidDefinition":
            raise
        _show(file, template, error)
        ctx.exit(EXIT_FINDINGS)
    click.echo(f"express: {'created' if created else 'updated'} {arn}", err=True)
    if created and template.type == "STANDARD":
        click.echo(f"express: {template.name} is STANDARD and will not be run; --type EXPRESS makes it run", err=True)
    if alias is not None and version is not None:
        arn = _point(client, arn, alias, version)
    elif version is not None:
        arn = version
    click.echo(arn)


def _put(client: Client, template: Template, publish: bool) -> tuple[str, str | None, bool]:
    """ARN, version if one was published, and whether the machine is new."""
    members = {
        "definition": template.definition,
        "roleArn": template.role,
        "loggingConfiguration": template.logging,
        "publish": publish or None,
    }
    try:
        answer = client.call("CreateStateMachine", name=template.name, type=template.type, **members)
        return answer["stateMachineArn"], answer.get("stateMachineVersionArn"), True
    except ApiError as error:
        if error.code != "StateMachineAlreadyExists":
            raise
    arn = client.machine_arn(template.name)
    answer = client.call("UpdateStateMachine", stateMachineArn=arn, **members)
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


def _show(file: str, template: Template, error: ApiError) -> None:
    """The findings as `express validate` shows them, with their places in the definition."""
    from express.cli.diagnosis import Options, diagnose
    from express.cli.rendering import FORMATS

    kind: MachineType = "STANDARD" if template.type == "STANDARD" else "EXPRESS"
    found = diagnose(file, template.definition.encode(), Options(type=kind))
    errors = [finding for finding in found if finding.diagnostic.severity == "ERROR"]
    click.echo(FORMATS["text"](errors) if errors else error.message, err=True)
    click.echo(f"express: {template.name} of {file} is refused", err=True)
