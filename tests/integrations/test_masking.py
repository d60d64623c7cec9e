"""What comes back of a secret is taken out, however the server has written it; nothing else is."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from express.integrations.masking import hideable, masked, masked_json
from express.values import dumps
from tests.integrations.calling import machine, run
from tests.integrations.stub import Stub
from tests.integrations.test_apigateway import GET
from tests.integrations.test_apigateway import config as apigateway
from tests.integrations.test_aws import _credentials
from tests.integrations.test_http import configured, failure, invoke, request

__all__ = ["_credentials"]  # a fixture

SECRETS = ["canary-key", 'can"ary\\sec/ret+1 &<é>', "p@ss:w0rd%41", "żółć-😀-'x'", "abcd"]

WRITINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda s: s,
    "JSON": json.dumps,
    "JSON in UTF-8": lambda s: json.dumps(s, ensure_ascii=False),
    "JSON twice": lambda s: json.dumps(json.dumps({"key": s})),
    "JSON as PHP writes it": lambda s: json.dumps(s).replace("/", "\\/"),
    "JSON with every character escaped": lambda s: "".join(
        f"\\u{s.encode('utf-16-be')[i : i + 2].hex()}" for i in range(0, len(s.encode("utf-16-be")), 2)
    ),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 for URLs": lambda s: base64.urlsafe_b64encode(s.encode()).decode().rstrip("="),
    "base64 in JSON in a URL": lambda s: quote(json.dumps(base64.b64encode(s.encode()).decode()), safe=""),
    "URL": quote,
    "URL with small digits": lambda s: "".join(
        c if c.isalnum() and c.isascii() else "".join(f"%{b:02x}" for b in c.encode()) for c in s
    ),
    "URL twice": lambda s: quote(quote(s, safe=""), safe=""),
    "form": lambda s: urlencode({"key": s}),
    "form in JSON": lambda s: json.dumps({"query": quote_plus(s)}),
    "every byte of a URL": lambda s: "".join(f"%{b:02X}" for b in s.encode()),
    "HTML": html.escape,
    "HTML in JSON": lambda s: json.dumps(html.escape(s)),
    "hexadecimal": lambda s: s.encode().hex(),
}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("way", WRITINGS)
def test_every_way_of_writing_a_secret_is_masked(way: str, secret: str) -> None:
    """Wherever it stands in the text."""
    written = WRITINGS[way](secret)
    text = f"you sent {written}, twice: {written}."

    assert written.strip('"') not in masked(text, (secret,))
    assert "***" in masked(text, (secret,))


@pytest.mark.parametrize("secret", [secret for secret in SECRETS if len(secret) > 8])
@pytest.mark.parametrize("before", ["", "u:", "user:", "someone:", '{"key":"'])
def test_a_secret_within_what_is_encoded(before: str, secret: str) -> None:
    """Base64 of something longer: at whatever place in it the secret begins."""
    for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
        clean = masked(alphabet(f"{before}{secret}{before}".encode()).decode(), (secret,))
        left = "".join(part for part in clean.split("***"))
        assert "***" in clean
        assert len(left) <= len(alphabet(f"{before}{before}".encode())) + 8


def test_values_are_read_before_they_are_searched() -> None:
    """A secret of which some characters are escaped is whole once the JSON is read."""
    value = json.loads('{"a": ["can\\u0061ry-k\\u0065y", 1], "canary-\\u006bey": null}')

    assert masked_json(value, ("canary-key",)) == {"a": ["***", 1], "***": None}


def test_a_mixture_of_forms_is_read() -> None:
    """Nobody writes so, and then somebody does: the text comes back with its escapes read."""
    mixed = '{"a": "c%61n\\u0061ry&#45;key"}'

    assert masked(mixed, ("canary-key",)) == '{"a": "***"}'
    assert masked(mixed, ("another-key",)) == mixed


@given(st.text(max_size=300))
def test_other_text_stays_as_it_is(text: str) -> None:
    """Without a secret in it nothing changes."""
    assert masked(text, hideable(["a-long-secret-that-is-in-no-text", "abc"])) == text


def test_short_secrets_would_be_found_everywhere() -> None:
    """Below four characters nothing is taken out."""
    assert masked("abc", hideable(["abc"])) == "abc"


@pytest.mark.parametrize("way", WRITINGS)
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
@pytest.mark.parametrize("status", [200, 500])
async def test_what_a_server_echoes(monkeypatch: pytest.MonkeyPatch, way: str, kind: str, status: int) -> None:
    """In the body, a header or the reason, in a result or an error."""
    secret = 'can"ary-key/1+'

    async def echo(call: web.Request) -> web.StreamResponse:
        written = WRITINGS[way](call.headers["X-Key"])
        body = written if way.startswith("JSON") and "escaped" not in way else json.dumps({"echo": written})
        return web.Response(
            text=body, status=status, content_type=kind, headers={"X-Echo": written}, reason=f"not {written}"
        )

    monkeypatch.setenv("SHOP_KEY", secret)
    async with Stub() as stub:
        stub.answer = echo
        config = configured(stub.url, auth="api_key", key_name="X-Key", key="env:SHOP_KEY")
        answer: Any = (
            await invoke(request(stub.url), config) if status == 200 else await failure(request(stub.url), config)
        )

    told = dumps(answer).decode() if status == 200 else f"{answer.error} {answer.cause}"
    assert "***" in told
    assert not {secret, json.dumps(secret)[1:-1], WRITINGS[way](secret)} & {told}
    assert masked(told, (secret,)) == told


@pytest.mark.parametrize("status", [200, 403])
async def test_what_an_api_echoes_of_a_session_token(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """A signed call of an API carries one; behind it is anybody's code."""
    token = "canary/session+token=="

    async def echo(call: web.Request) -> web.StreamResponse:
        return web.json_response({"got": quote(call.headers["X-Amz-Security-Token"])}, status=status)

    monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    async with Stub() as stub:
        stub.answer = echo
        finish = await run(machine("apigateway:invoke"), {**GET, "AuthType": "IAM_ROLE"}, apigateway(stub.url))
        ((sent, _),) = stub.requests

    assert sent.headers["X-Amz-Security-Token"] == token
    assert "***" in f"{finish}"
    assert masked(f"{finish}", (token,)) == f"{finish}"
