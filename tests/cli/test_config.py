"""`express config` and `express env`: what holds, where it comes from, and what SDKs need."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from express.cli import main
from express.docs.samples import shipped

CONFIG = str(shipped("express.toml"))


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_every_value_tells_its_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    """`config show --origin` prints each value with file and line, variable, flag, or `default`."""
    monkeypatch.setenv("EXPRESS_WORKERS__DRAIN", "5s")
    result = invoke("config", "show", "-c", CONFIG, "--origin", "--set", "metrics.port=0")
    rows = dict(line.split("  # ") for line in result.stdout.splitlines())
    origins = {key.split(" = ")[0]: origin for key, origin in rows.items()}

    assert origins["workers.drain"] == "environment EXPRESS_WORKERS__DRAIN"
    assert origins["metrics.port"] == "--set metrics.port"
    assert origins["workers.count"] == "default"
    assert origins["pipelines[0].output"].startswith(CONFIG + ":")
    assert 'workers.drain = "5s"' in result.stdout


def test_show_as_json() -> None:
    """`--json` gives key, value and origin to scripts."""
    entries = json.loads(invoke("config", "show", "-c", CONFIG, "--json").stdout)

    assert {"key": "metrics.port", "value": 9464, "origin": "default"} in entries


def test_a_wrong_key_is_exit_104(tmp_path: Path) -> None:
    """A wrong key ends with 104, and names file, line and the key that was meant; no traceback."""
    file = tmp_path / "express.toml"
    file.write_text("[kafka]\n\ngruop = 'x'\n")
    result = invoke("config", "show", "-c", str(file))

    assert result.exit_code == 104
    assert result.stderr == f"express: {file}:3: kafka.gruop: unknown key; did you mean 'group'?\n"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("[kafka.client]\nauto_offset_reset = 'latest'", "is not set here"),
        ("[kafka.client]\nsecurity_protocol = 'SSL'\nssl_cafile = 'nowhere.pem'", "can't be loaded"),
        (
            "[kafka.client]\nsecurity_protocol = 'SASL_SSL'\nsasl_username = 'u'\nsasl_password = 'env:NOT_THERE'",
            "NOT_THERE",
        ),
        ("[metering]\nprices = 'nowhere.toml'", "the price file"),
        ("[metering]\ntable = 'moon'", "unknown price table"),
        (
            "[[pipelines]]\nname = 'x'\ntopics = ['i']\nworkflow = 'nowhere.json'\noutput = 'o'\ndead_letter = 'd'",
            "nowhere",
        ),
    ],
)
def test_show_refuses_what_run_refuses(tmp_path: Path, more: str, message: str) -> None:
    """The same mistakes with the same words: who has looked at a configuration can run it."""
    workflow = tmp_path / "w.json"
    workflow.write_text('{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}')
    file = tmp_path / "express.toml"
    pipeline = "[[pipelines]]\nname = 'p'\ntopics = ['in']\nworkflow = 'w.json'\noutput = 'out'\ndead_letter = 'dead'\n"
    file.write_text(pipeline)
    assert invoke("config", "show", "-c", str(file)).exit_code == 0
    file.write_text(pipeline + more + "\n")
    shown, run = invoke("config", "show", "-c", str(file)), invoke("run", "-c", str(file))

    assert shown.exit_code == run.exit_code == 104
    assert shown.stderr == run.stderr
    assert message in shown.stderr


def test_schema_knows_every_key_of_the_sample() -> None:
    """The JSON Schema describes what the shipped file uses, section by section."""
    schema = json.loads(invoke("config", "schema").stdout)
    data = tomllib.loads(Path(CONFIG).read_text(encoding="utf-8"))
    del data["profile"]

    def known(value: Any, part: dict[str, Any]) -> None:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        if isinstance(value, dict) and "properties" in part:
            for key, item in value.items():
                known(item, part["properties"][key])
        elif isinstance(value, list):
            for item in value:
                known(item, part["items"])

    known(data, schema)
    assert schema["$defs"]["Kafka"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("sh", "export AWS_ENDPOINT_URL_SFN=http://127.0.0.1:9000"),
        ("fish", "set -gx AWS_ENDPOINT_URL_SFN http://127.0.0.1:9000"),
        ("powershell", "$env:AWS_ENDPOINT_URL_SFN = 'http://127.0.0.1:9000'"),
        ("dotenv", "AWS_ENDPOINT_URL_SFN=http://127.0.0.1:9000"),
    ],
)
def test_env_in_every_shell(shell: str, line: str) -> None:
    """`express env` prints the endpoint, and the switch against the `sync-` prefix, for each shell."""
    result = invoke("env", "--url", "http://127.0.0.1:9000", "--shell", shell)

    assert line in result.stdout.splitlines()
    assert "AWS_DISABLE_HOST_PREFIX_INJECTION" in result.stdout


def test_secrets_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`config show` prints where the secrets of Kafka's client are kept, not what they are."""
    monkeypatch.setenv("KAFKA_PASSWORD", "hunter2")
    file = tmp_path / "express.toml"
    client = ['security.protocol = "SASL_SSL"', 'sasl.username = "u"', 'sasl.password = "env:KAFKA_PASSWORD"']
    file.write_text("\n".join(["[kafka.client]", *client]))

    for option in ("--origin", "--json"):
        shown = invoke("config", "show", "-c", str(file), option).output
        assert "env:KAFKA_PASSWORD" in shown
        assert "hunter2" not in shown
