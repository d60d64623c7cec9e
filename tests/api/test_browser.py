"""A hostile page open in a browser beside the server: headless Chromium tries all actions.

The page tries each action in every way that a page has: with the API's own headers, as a simple request that needs no
preflight, as a form, as a beacon. It comes from another port, and under a name of its own that is rebound to the
server's address once the page is there. The same page under one of the server's own names gets through: the tries are
real ones.
"""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from express.api.actions import ACTIONS
from tests.patience import PATIENCE

from .server import PREFIX, ROLE, Running, serving
from .test_machines import create, definition

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")

PAGE = """<!doctype html><title>hostile</title><script>
const api = API, calls = CALLS, json = "application/x-amz-json-1.0";
const answers = [];
async function attempt(how, options) {
  try {
    const answer = await fetch(api, {method: "POST", ...options});
    answers.push([how, answer.status, answer.type === "opaque" ? "" : await answer.text()]);
  } catch (error) { answers.push([how, 0, String(error)]); }
}
(async () => {
  for (const [action, body] of calls) {
    const target = "AWSStepFunctions." + action;
    await attempt("headers " + action, {body, headers: {"Content-Type": json, "X-Amz-Target": target}});
    await attempt("simple " + action, {body, mode: "no-cors", headers: {"Content-Type": "text/plain"}});
    navigator.sendBeacon(api, new Blob([body], {type: "text/plain"}));
    const form = document.createElement("form");
    form.method = "POST"; form.action = api; form.enctype = "text/plain"; form.target = "sink";
    const field = document.createElement("input");
    field.name = body; form.append(field); document.body.append(form); form.submit();
  }
  await fetch("/done", {method: "POST", body: JSON.stringify(answers)});
})();
</script><body><iframe name=sink></iframe></body>"""


class Attacker:
    """Serves the hostile page, and hears what it got."""

    def __init__(self, calls: list[tuple[str, str]]) -> None:
        self.answers: list[tuple[str, int, str]] = []
        self.done = threading.Event()
        self.api = ""
        attacker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = PAGE.replace("API", json.dumps(attacker.api), 1).replace("CALLS", json.dumps(calls), 1)
                self.answer(page.encode() if self.path == "/" else b"")

            def do_POST(self) -> None:
                attacker.answers = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.answer(b"")
                attacker.done.set()

            def answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Rebound:
    """One address, two servers behind it: the attacker's page first, and for every POST to / the API.

    It is what a name that changes its address looks like to a browser that keeps the origin.
    """

    def __init__(self, attacker: int, api: int) -> None:
        self._ports = {True: api, False: attacker}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """Hand one request on, and its answer back."""
        with connection:
            request = b""
            while b"\r\n\r\n" not in request:
                chunk = connection.recv(65_536)
                if not chunk:
                    return
                request += chunk
            head, _, body = request.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            while len(body) < length:
                body += connection.recv(65_536)
            head = head.replace(b"keep-alive", b"close")
            with socket.create_connection(("127.0.0.1", self._ports[head.startswith(b"POST / ")])) as server:
                server.sendall(head + b"\r\n\r\n" + body)
                while chunk := server.recv(65_536):
                    connection.sendall(chunk)

    def close(self) -> None:
        """End."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@contextmanager
def attacked() -> Iterator[tuple[Running, Attacker, str]]:
    """A server with a machine, the attacker, and the machine's ARN."""
    with serving() as running:
        arn = create(running.client(), name="mine")
        attacker = Attacker(calls(arn))
        try:
            yield running, attacker, arn
        finally:
            attacker.close()


def calls(arn: str) -> list[tuple[str, str]]:
    """A request for each action; the first would make a machine, the last would delete one."""
    create_machine = {"name": "theirs", "definition": definition(), "roleArn": ROLE, "type": "EXPRESS"}
    execution = f"{PREFIX}:express:mine:x:y"
    known = {"CreateStateMachine": create_machine, "ListStateMachines": {}, "ListActivities": {}}
    order = sorted(ACTIONS, key=lambda action: (action == "DeleteStateMachine", action != "CreateStateMachine"))
    members = {"stateMachineArn": arn, "executionArn": execution}
    return [(action, json.dumps(known.get(action, members))) for action in order]


def browse(url: str, attacker: Attacker, profile: Path) -> list[tuple[str, int, str]]:
    """Open a page in headless Chromium; what its tries got."""
    command = [
        *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--host-resolver-rules=MAP rebound.example 127.0.0.1", f"--user-data-dir={profile}", url),
    ]
    browser = subprocess.Popen([*command, "--remote-debugging-port=0"], stderr=subprocess.DEVNULL)
    try:
        assert attacker.done.wait(PATIENCE), "the page did not come to its end"
    finally:
        browser.terminate()
        browser.wait()
    return attacker.answers


def answered(running: Running) -> dict[str, int]:
    """Requests that the server has seen, by error code."""
    found: dict[str, int] = {}
    for (_, code), count in running.server.data()["requests"]:
        found[code] = found.get(code, 0) + count
    return found


def test_a_page_of_another_origin_can_do_nothing(tmp_path: Path) -> None:
    """Nothing is read, nothing is done: no answer of the server that is not a refusal."""
    with attacked() as (running, attacker, arn):
        before = answered(running)["OK"]
        attacker.api = running.url + "/"
        answers = browse(f"http://127.0.0.1:{attacker.port}/", attacker, tmp_path)
        seen = answered(running)

        assert len(answers) == 2 * len(ACTIONS)
        assert all(
            (status, text) == (0, "TypeError: Failed to fetch") for how, status, text in answers if "head" in how
        )
        assert seen.pop("OK") == before
        assert set(seen) <= {"AccessDeniedException", "UnsupportedMediaTypeException"}
        assert sum(seen.values()) >= len(ACTIONS)
        assert running.client().list_state_machines()["stateMachines"][0]["stateMachineArn"] == arn


def test_a_rebound_name_can_do_nothing(tmp_path: Path) -> None:
    """The page's own name leads to the server: same origin for the browser, a foreign Host for us."""
    with attacked() as (running, attacker, _):
        before = answered(running)["OK"]
        answers = through(running, attacker, "rebound.example", tmp_path)
        seen = answered(running)

        mine = [(status, text) for how, status, text in answers if how.startswith("headers")]
        assert len(mine) == len(ACTIONS)
        assert all(status == 403 and "is not called 'rebound.example'" in text for status, text in mine)
        assert seen.pop("OK") == before
        assert set(seen) == {"AccessDeniedException"}
        assert [m["name"] for m in running.client().list_state_machines()["stateMachines"]] == ["mine"]


def test_the_tries_are_real_ones(tmp_path: Path) -> None:
    """The same page under one of the server's own names makes a machine and deletes another."""
    with attacked() as (running, attacker, _):
        through(running, attacker, "localhost", tmp_path)

        assert [m["name"] for m in running.client().list_state_machines()["stateMachines"]] == ["theirs"]


def through(running: Running, attacker: Attacker, host: str, profile: Path) -> list[tuple[str, int, str]]:
    """Open the page under a name that is rebound."""
    rebound = Rebound(attacker.port, int(running.url.rpartition(":")[2]))
    try:
        attacker.api = "/"
        return browse(f"http://{host}:{rebound.port}/", attacker, profile)
    finally:
        rebound.close()
