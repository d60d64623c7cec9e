"""The commands that ask a running server: how they reach it, and who they say they are.

Thin on purpose: they speak the API that every SDK speaks, with nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
import rich_click

from express.errors import ApiError, ConfigError
from express.values import JSON

DEFAULT_URL = "http://127.0.0.1:8083"
PREFIX = "arn:"

Command = TypeVar("Command", bound=Callable[..., Any])


def server_options(command: Command) -> Command:
    """`--url`, and the same from the environment."""
    option = rich_click.option(
        "--url",
        envvar=["EXPRESS_URL", "AWS_ENDPOINT_URL_SFN"],
        default=DEFAULT_URL,
        show_default=True,
        help="URL of the server.",
    )
    return option(command)


class Client:
    """Calls actions of the API at `url`.

    With EXPRESS_API_KEY it shows the key, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY it signs.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/"

    def call(self, action: str, **members: Any) -> dict[str, JSON]:
        """The answer of an action; members that are None are left away.

        Raises ApiError for a refusal, ConfigError where nobody answers.
        """
        body = json.dumps({name: value for name, value in members.items() if value is not None}).encode()
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AWSStepFunctions.{action}"}
        request = urllib.request.Request(self._url, body, {**headers, **self._proof(headers, body)})
        try:
            with _opener(self._url).open(request, timeout=330) as response:
                answer: dict[str, JSON] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise ConfigError(
                f"nobody answers at {self._url}: {reason}. Start a server with `express serve`"
            ) from error

    def pages(self, action: str, member: str, **members: Any) -> Iterator[dict[str, JSON]]:
        """Every item of a list, page by page."""
        token = None
        while True:
            answer = self.call(action, nextToken=token, **members)
            yield from answer[member]
            token = answer.get("nextToken")
            if token is None:
                return

    def machine_arn(self, name: str) -> str:
        """The ARN of a machine that is given by name, or by ARN already. Raises ApiError where there is none."""
        if name.startswith(PREFIX):
            return name
        machines = {item["name"]: item["stateMachineArn"] for item in self.machines()}
        plain, colon, qualifier = name.partition(":")
        if plain not in machines:
            near = ", ".join(sorted(machines)) or "none is deployed"
            raise ApiError("StateMachineDoesNotExist", f"there is no state machine {plain!r}; there are: {near}")
        return f"{machines[plain]}{colon}{qualifier}"

    def machines(self) -> Iterator[dict[str, JSON]]:
        """Every state machine."""
        return self.pages("ListStateMachines", "stateMachines")

    def _proof(self, headers: dict[str, str], body: bytes) -> dict[str, str]:
        key = os.environ.get("EXPRESS_API_KEY")
        if key:
            return {"Authorization": f"Bearer {key}"}
        access, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
        if not access or not secret:
            return {}
        return _signature(access, secret, {**headers, "Host": urlsplit(self._url).netloc}, body)


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Proxies of the environment are for other hosts than this one."""
    local = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if local else []))


def _signature(access: str, secret: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
    from express.api.sigv4 import ALGORITHM, SERVICE, sign

    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    scope = f"{moment[:8]}/{region}/{SERVICE}/aws4_request"
    attempt = os.urandom(16).hex()
    signed = sorted(
        {**{k.lower(): v for k, v in headers.items()}, "x-amz-date": moment, "amz-sdk-invocation-id": attempt}.items()
    )
    signature = sign(secret, scope, moment, signed, body)
    names = ";".join(name for name, _ in signed)
    return {
        "X-Amz-Date": moment,
        "Amz-Sdk-Invocation-Id": attempt,
        "Authorization": f"{ALGORITHM} Credential={access}/{scope}, SignedHeaders={names}, Signature={signature}",
    }


def _refusal(error: urllib.error.HTTPError) -> ApiError:
    try:
        answer = json.load(error)
        return ApiError(str(answer["__type"]).rpartition("#")[2], str(answer["message"]), error.code)
    except (ValueError, KeyError, TypeError):
        return ApiError("InternalFailure", f"{error.url} answers {error.code} and is no Step Functions API", error.code)


def when(seconds: float) -> str:
    """A time for people, in their zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def duration(item: dict[str, JSON]) -> str:
    """Return how long an execution ran, or runs already."""
    seconds = item.get("stopDate", time.time()) - item["startDate"]
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def print_json(value: JSON) -> None:
    """The result for machines, and for people who want all of it."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> None:
    """Columns as wide as they need to be; plain text, so that it can be cut and sorted."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
