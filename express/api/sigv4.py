"""AWS Signature Version 4, the server's side.

The API has one address, `POST /` without a query, so that there is no path or query to canonicalise and none to get
wrong. What a signature must cover, how old it may be and for whom it is meant is decided here.

A mutating request is accepted once. But signatures are dated to the second and botocore leaves its id of each
attempt unsigned: two honest equal calls within a second have one signature. So a signature may come again, under
another id, for as long as an honest client could have made it, and not for the five minutes it is valid.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from express.api.principals import Principal, Principals
from express.errors import ApiError

SKEW_SECONDS = 300
SAME_MOMENT_SECONDS = 2.0
ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "states"
MUST_SIGN = frozenset({"host", "x-amz-date", "x-amz-target"})
MOST_REMEMBERED = 200_000
"""Signatures of mutating requests kept for as long as they could be sent again."""

_AUTHORIZATION = re.compile(
    ALGORITHM + r" Credential=([\w./-]{1,200}), ?SignedHeaders=([a-z0-9;_-]{1,2000}), ?Signature=([0-9a-f]{64})"
)
_DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_READING = ("Describe", "List", "Get", "Validate")


class Signed(msgspec.Struct, frozen=True):
    """The signed part of an HTTP request. `headers` in the order and spelling of the wire."""

    headers: Sequence[tuple[str, str]]
    body: bytes


class Verifier:
    """Checks signatures of one region."""

    def __init__(self, principals: Principals, region: str, wall: Callable[[], float]) -> None:
        self._principals = principals
        self._region = region
        self._wall = wall
        self._seen: OrderedDict[str, tuple[float, set[str]]] = OrderedDict()

    def verify(self, request: Signed, authorization: str, action: str) -> Principal:
        """Return who signed the request. Raises ApiError for anything that is not exactly as it should be."""
        match = _AUTHORIZATION.fullmatch(authorization)
        if match is None:
            raise _refused("IncompleteSignatureException", "The Authorization header is not a complete signature.")
        credential, names, signature = match.groups()
        access_key, _, scope = credential.partition("/")
        headers = _collect(request.headers)
        moment = headers.get("x-amz-date", "")
        self._check_time(moment)
        if scope != f"{moment[:8]}/{self._region}/{SERVICE}/aws4_request":
            raise _refused(
                "InvalidSignatureException",
                f"Credential should be scoped to {moment[:8]}/{self._region}/{SERVICE}/aws4_request.",
            )
        signed = names.split(";")
        if signed != sorted(set(signed)) or not set(signed) >= MUST_SIGN or not set(signed) <= headers.keys():
            raise _mismatch()
        principal = self._principals.with_access_key(access_key)
        if principal is None or principal.secret_access_key is None:
            raise _refused("UnrecognizedClientException", "The security token included in the request is invalid.")
        expected = sign(principal.secret_access_key, scope, moment, [(n, headers[n]) for n in signed], request.body)
        if not hmac.compare_digest(expected, signature) or not _body_matches(headers, request.body):
            raise _mismatch()
        if not action.startswith(_READING):
            self._once(signature, headers.get("amz-sdk-invocation-id", "") + headers.get("amz-sdk-request", ""))
        return principal

    def _check_time(self, moment: str) -> None:
        if _DATE.fullmatch(moment) is None:
            raise _refused("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.")
        try:
            then = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        except ValueError:
            raise _refused("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.") from None
        if abs(then - self._wall()) > SKEW_SECONDS:
            raise _refused("InvalidSignatureException", f"Signature expired or not yet valid: {moment}.")

    def _once(self, signature: str, attempt: str) -> None:
        """Refuse a signature that was used before, unless it is another attempt's within the same moments."""
        now = self._wall()
        while self._seen and next(iter(self._seen.values()))[0] < now - 2 * SKEW_SECONDS:
            self._seen.popitem(last=False)
        first, attempts = self._seen.get(signature, (now, set()))
        known = bool(attempts) and (not attempt or attempt in attempts or now - first > SAME_MOMENT_SECONDS)
        if known or len(self._seen) + len(attempts) >= MOST_REMEMBERED:
            raise _refused("InvalidSignatureException", "This request was received before.")
        attempts.add(attempt)
        self._seen[signature] = (first, attempts)


def sign(secret: str, scope: str, moment: str, headers: Sequence[tuple[str, str]], body: bytes) -> str:
    """The signature of `POST /` with these headers, in order and canonical (AWS General Reference, SigV4)."""
    canonical = "\n".join(
        [
            "POST",
            "/",
            "",
            *(f"{name}:{value}" for name, value in headers),
            "",
            ";".join(name for name, _ in headers),
            hashlib.sha256(body).hexdigest(),
        ]
    )
    text = "\n".join([ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()  # no f-string: a Secret formats as ***
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _collect(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Canonical headers by name: blanks trimmed and folded, several of one name joined.

    Two `Host` or two `X-Amz-Date` headers mean that somebody read another one than we do.
    """
    collected: dict[str, str] = {}
    for name, value in headers:
        name, value = name.lower(), " ".join(value.split())
        if name in collected:
            if name in MUST_SIGN or name == "authorization":
                raise _mismatch()
            value = f"{collected[name]},{value}"
        collected[name] = value
    return collected


def _body_matches(headers: dict[str, str], body: bytes) -> bool:
    """Return whether the hash in the headers, where there is one, is the body's. Unsigned payloads are refused."""
    given = headers.get("x-amz-content-sha256")
    return given is None or hmac.compare_digest(given.encode(), hashlib.sha256(body).hexdigest().encode())


def _mismatch() -> ApiError:
    return _refused(
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method.",
    )


def _refused(code: str, message: str) -> ApiError:
    return ApiError(code, message, 403)
