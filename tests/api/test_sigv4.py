"""Signatures: botocore's are accepted, every mutation of one is refused, and each is good once (S9, S10)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from express.api.principals import Principal, Principals, Rule
from express.api.sigv4 import MOST_REMEMBERED, Signed, Verifier, sign
from express.config.model import Principal as Row
from express.config.model import Rule as RuleRow
from express.errors import ApiError

from .server import PREFIX, ROLE, serving
from .test_machines import PASS, refusal

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ALICE = Principal(name="alice", rules=(Rule(),), access_key_id="AKIAALICE", secret_access_key=SECRET)
NOW = 1_700_000_000.0
MOMENT = "20231114T221320Z"
SCOPE = "20231114/us-east-1/states/aws4_request"
BODY = b'{"maxResults":1}'
HEADERS = {
    "Host": "localhost:8083",
    "X-Amz-Date": MOMENT,
    "X-Amz-Target": "AWSStepFunctions.ListStateMachines",
    "Content-Type": "application/x-amz-json-1.0",
}


def verifier(now: float = NOW) -> Verifier:
    """A verifier whose clock stands."""
    return Verifier(Principals([ALICE]), "us-east-1", lambda: now)


def authorization(
    headers: dict[str, str] = HEADERS,
    body: bytes = BODY,
    *,
    names: list[str] | None = None,
    secret: str = SECRET,
    scope: str = SCOPE,
    key: str = "AKIAALICE",
) -> str:
    """An honest signature over some headers."""
    lower = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    names = sorted(lower) if names is None else names
    signature = sign(secret, scope, MOMENT, [(name, lower.get(name, "")) for name in names], body)
    return f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"


def test_a_signature_of_botocore_is_accepted() -> None:
    """Signed by botocore itself, for this very verifier."""
    request = AWSRequest("POST", "http://localhost:8083/", headers={**HEADERS}, data=BODY)
    del request.headers["X-Amz-Date"]
    SigV4Auth(Credentials("AKIAALICE", SECRET), "states", "us-east-1").add_auth(request)
    from datetime import UTC, datetime

    moment = request.headers["X-Amz-Date"]
    now = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    headers = [*request.headers.items()]

    assert verifier(now).verify(Signed(headers, BODY), request.headers["Authorization"], "ListStateMachines") is ALICE


def test_our_signature_is_botocores() -> None:
    """The two agree to the letter."""
    assert verifier().verify(Signed([*HEADERS.items()], BODY), authorization(), "ListStateMachines") is ALICE


Mutation = Callable[[list[tuple[str, str]], str, bytes], tuple[list[tuple[str, str]], str, bytes]]


def header(name: str, value: str | None) -> Mutation:
    """Change, add or (None) take away a header after signing."""

    def mutate(headers: list[tuple[str, str]], auth: str, body: bytes) -> tuple[list[tuple[str, str]], str, bytes]:
        kept = [(n, v) for n, v in headers if n.lower() != name.lower()]
        return kept if value is None else [*kept, (name, value)], auth, body

    return mutate


def twice(name: str, value: str) -> Mutation:
    """A second header of the same name."""
    return lambda headers, auth, body: ([*headers, (name, value)], auth, body)


def text(old: str, new: str) -> Mutation:
    """Change the Authorization header."""
    return lambda headers, auth, body: (headers, auth.replace(old, new), body)


MUTATIONS: dict[str, Mutation] = {
    "body": lambda headers, auth, body: (headers, auth, body + b" "),
    "empty body": lambda headers, auth, body: (headers, auth, b""),
    "host": header("Host", "localhost:8084"),
    "no host": header("Host", None),
    "two hosts": twice("Host", "evil.example"),
    "the same host twice": twice("Host", "localhost:8083"),
    "target": header("X-Amz-Target", "AWSStepFunctions.DeleteStateMachine"),
    "two targets": twice("X-Amz-Target", "AWSStepFunctions.DeleteStateMachine"),
    "date": header("X-Amz-Date", "20231114T221321Z"),
    "two dates": twice("X-Amz-Date", MOMENT),
    "lower-case date": header("X-Amz-Date", MOMENT.lower()),
    "other digits": header("X-Amz-Date", MOMENT.replace("2", "２")),
    "no date": header("X-Amz-Date", None),
    "impossible date": header("X-Amz-Date", "20231399T999999Z"),
    "content type": header("Content-Type", "text/plain"),
    "two content types": twice("Content-Type", "text/plain"),
    "unsigned payload": header("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"),
    "other payload": header("X-Amz-Content-Sha256", hashlib.sha256(b"x").hexdigest()),
    "signature": text("Signature=", "Signature=0"),
    "upper-case signature": lambda headers, auth, body: (headers, auth[:-64] + auth[-64:].upper(), body),
    "short signature": lambda headers, auth, body: (headers, auth[:-1], body),
    "other key": text("AKIAALICE", "AKIABOB"),
    "no key": text("AKIAALICE", ""),
    "region": text("us-east-1", "eu-west-1"),
    "service": text("/states/", "/sts/"),
    "scope date": text("20231114/", "20231115/"),
    "ending": text("aws4_request", "aws4_reques"),
    "fewer headers": text("content-type;", ""),
    "more headers": text("SignedHeaders=", "SignedHeaders=accept;"),
    "unsorted headers": text("content-type;host", "host;content-type"),
    "header twice": text("host;", "host;host;"),
    "algorithm": text("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
    "junk behind": lambda headers, auth, body: (headers, auth + ", X=y", body),
}


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_every_mutation_is_refused(mutation: Mutation) -> None:
    """Nothing that was signed may change, and nothing that must be signed may be missing."""
    headers, auth, body = mutation([*HEADERS.items()], authorization(), BODY)
    if (headers, auth, body) == ([*HEADERS.items()], authorization(), BODY):
        auth = auth[:-1] + ("0" if auth[-1] != "0" else "1")

    with pytest.raises(ApiError) as caught:
        verifier().verify(Signed(headers, body), auth, "ListStateMachines")

    assert caught.value.status == 403


@pytest.mark.parametrize("name", ["host", "x-amz-date", "x-amz-target"])
def test_a_signature_must_cover_these(name: str) -> None:
    """An honest signature over too little is refused."""
    names = sorted(n.lower() for n in HEADERS if n.lower() != name)

    with pytest.raises(ApiError, match="does not match"):
        verifier().verify(Signed([*HEADERS.items()], BODY), authorization(names=names), "ListStateMachines")


@pytest.mark.parametrize(("offset", "accepted"), [(299, True), (301, False), (-299, True), (-301, False)])
def test_five_minutes_either_way(offset: float, accepted: bool) -> None:
    """Older or newer is refused."""
    check = verifier(NOW + offset)
    request = Signed([*HEADERS.items()], BODY)
    if accepted:
        assert check.verify(request, authorization(), "ListStateMachines") is ALICE
    else:
        with pytest.raises(ApiError, match="expired or not yet valid"):
            check.verify(request, authorization(), "ListStateMachines")


def test_a_mutating_request_is_accepted_once() -> None:
    """A replay is refused for as long as it could be sent; reading twice does no harm."""
    moment = [NOW]
    check = Verifier(Principals([ALICE]), "us-east-1", lambda: moment[0])
    request = Signed([*HEADERS.items()], BODY)

    for _ in range(2):
        assert check.verify(request, authorization(), "ListStateMachines") is ALICE
    assert check.verify(request, authorization(), "StartExecution") is ALICE
    for moment[0] in (NOW, NOW + 299):
        with pytest.raises(ApiError, match="received before"):
            check.verify(request, authorization(), "StartExecution")
    assert MOST_REMEMBERED > 10_000


def test_equal_calls_of_one_second_are_told_apart_by_their_attempt() -> None:
    """botocore does not sign its id of an attempt: another one is honest at once, and a replay later."""
    moment = [NOW]
    check = Verifier(Principals([ALICE]), "us-east-1", lambda: moment[0])

    def send(attempt: str) -> Principal:
        headers = [*HEADERS.items(), ("amz-sdk-invocation-id", attempt)]
        return check.verify(Signed(headers, BODY), authorization(), "StartExecution")

    assert send("1") is send("2") is ALICE
    with pytest.raises(ApiError, match="received before"):
        send("2")
    moment[0] = NOW + 3
    with pytest.raises(ApiError, match="received before"):
        send("3")


# Through the server -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with three callers: one may do all, one may only run `m1`, one may look at nothing."""
    folder: Path = tmp_path_factory.mktemp("secrets")
    rows = []
    rules = {
        "admin": [RuleRow()],
        "runner": [
            RuleRow(
                actions=["Start*", "Describe*", "List*", "Get*"],
                resources=[f"{PREFIX}:stateMachine:m1", f"{PREFIX}:express:m1:*"],
            )
        ],
        "nobody": [],
    }
    for name, allow in rules.items():
        (folder / name).write_text(f"{SECRET}{name}\n")
        (folder / name).chmod(0o600)
        secret = f"file:{folder / name}"
        rows.append(Row(name=name, access_key_id=f"AK{name}", secret_access_key=secret, allow=allow))
    with serving(principals=rows) as server:
        yield server


def client(door: Any, name: str, secret: str | None = None) -> Any:
    """That caller's boto3 client."""
    return door.client(aws_access_key_id=f"AK{name}", aws_secret_access_key=secret or f"{SECRET}{name}")


def test_rights_of_three_callers(door: Any) -> None:
    """Own and foreign machines, every kind of action; lists show what may be seen."""
    admin, runner, nobody = (client(door, name) for name in ("admin", "runner", "nobody"))
    text_ = json.dumps(PASS)
    for name in ("m1", "m2"):
        admin.create_state_machine(name=name, definition=text_, roleArn=ROLE, type="EXPRESS")
    m1, m2 = (f"{PREFIX}:stateMachine:{name}" for name in ("m1", "m2"))
    own = runner.start_execution(stateMachineArn=m1)["executionArn"]
    foreign = admin.start_execution(stateMachineArn=m2)["executionArn"]

    assert [m["name"] for m in runner.list_state_machines()["stateMachines"]] == ["m1"]
    assert nobody.list_state_machines()["stateMachines"] == []
    assert runner.describe_execution(executionArn=own)["status"] == "SUCCEEDED"
    assert runner.start_sync_execution(stateMachineArn=m1)["status"] == "SUCCEEDED"
    denied = [
        (runner.start_execution, {"stateMachineArn": m2}),
        (runner.describe_state_machine, {"stateMachineArn": m2}),
        (runner.describe_execution, {"executionArn": foreign}),
        (runner.get_execution_history, {"executionArn": foreign}),
        (runner.update_state_machine, {"stateMachineArn": m1, "roleArn": ROLE}),
        (runner.delete_state_machine, {"stateMachineArn": m1}),
        (runner.create_state_machine, {"name": "m3", "definition": text_, "roleArn": ROLE}),
        (runner.tag_resource, {"resourceArn": m1, "tags": []}),
        (runner.test_state, {"definition": '{"Type":"Succeed"}'}),
        (
            runner.create_state_machine_alias,
            {"name": "A", "routingConfiguration": [{"stateMachineVersionArn": f"{m2}:1", "weight": 100}]},
        ),
        (nobody.start_execution, {"stateMachineArn": m1}),
        (nobody.describe_state_machine, {"stateMachineArn": f"{PREFIX}:stateMachine:none"}),
    ]
    for call, members in denied:
        code, message = refusal(call, **members)
        assert code == "AccessDeniedException"
        assert "is not authorized to perform: states:" in message


def test_a_wrong_secret_and_an_unknown_key_are_refused(door: Any) -> None:
    """403 with AWS's codes."""
    for wrong, code in (
        (client(door, "admin", "wrong"), "InvalidSignatureException"),
        (client(door, "who"), "UnrecognizedClientException"),
    ):
        with pytest.raises(ClientError) as caught:
            wrong.list_state_machines()
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_many_calls_in_one_second_are_no_replays(door: Any) -> None:
    """Equal calls have equal signatures, but each attempt has an id of its own."""
    admin = client(door, "admin")
    admin.create_state_machine(name="busy", definition=json.dumps(PASS), roleArn=ROLE, type="EXPRESS")

    for _ in range(30):
        admin.start_execution(stateMachineArn=f"{PREFIX}:stateMachine:busy")
