"""`express env`: the variables that make AWS tools talk to the local API."""

from __future__ import annotations

import click
import rich_click

SHELLS = {
    "sh": "export {name}={value}",
    "fish": "set -gx {name} {value}",
    "powershell": "$env:{name} = '{value}'",
    "dotenv": "{name}={value}",
}


def variables(url: str) -> dict[str, str]:
    """Name → value.

    Without the second one the SDKs put `sync-` before the host of StartSyncExecution and TestState, and
    `sync-127.0.0.1` is nobody. Credentials are needed to sign, whatever they are; a user's own are kept.
    """
    return {
        "AWS_ENDPOINT_URL_SFN": url,
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }


@rich_click.command()
@rich_click.option("--url", default="http://127.0.0.1:8083", show_default=True, help="URL of the server.")
@rich_click.option("--shell", type=click.Choice(list(SHELLS)), default="sh", show_default=True)
def command(url: str, shell: str) -> None:
    """Print what boto3, the aws command and other SDKs need to reach the local API: eval "$(express env)"."""
    for name, value in variables(url).items():
        click.echo(SHELLS[shell].format(name=name, value=value))
