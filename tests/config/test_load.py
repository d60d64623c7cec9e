"""Configuration: layers, origins, and messages that say where and what was meant."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.config import Duration, Loaded, Secret, Size, flat, load, reveal
from express.config.lines import key_lines
from express.errors import ConfigError

GOOD = """\
[kafka]
group = "lab"

[functions]
score = "handlers:score"
slow = { handler = "handlers:slow", mode = "process", timeout = "3s" }

[[pipelines]]
name = "iot"
topics = ["iot.events"]
workflow = "flows/iot.asl.json"
output = "iot.results"
dead_letter = "iot.dead"

[[pipelines]]
name = "orders"
topics = [
  "orders.eu",
  "orders.us",
]
workflow = "flows/orders.asl.json"
output = "orders.results"
dead_letter = "orders.dead"
concurrency = 50

[profile.staging.kafka]
group = "staging"
"""


def client(properties: str) -> tuple[str, str]:
    """The change that adds client properties."""
    return "[functions]", f"[kafka.client]\n{properties}\n[functions]"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "express.toml"
    path.write_text(GOOD)
    return path


def read(
    file: Path,
    *settings: str,
    environ: Mapping[str, str] | None = None,
    profile: str | None = None,
) -> Loaded:
    return load([file], settings=settings, environ=environ or {}, profile=profile)


def refused(file: Path, text: str, *settings: str, environ: Mapping[str, str] | None = None) -> str:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(file, *settings, environ=environ)
    return str(caught.value).replace(str(file), "express.toml")


def test_files_are_found(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no file is named, `express.toml` here is read; without that, the defaults hold."""
    monkeypatch.chdir(tmp_path)
    assert load([], environ={}).config.kafka.group == "lab"

    file.unlink()
    assert load([], environ={}).config.kafka.group == "express"


def test_later_layers_win(file: Path) -> None:
    """File, profile, environment, --set: each overrides the ones before, and each value keeps its origin."""
    key = ("kafka", "group")
    plain = read(file)
    profile = read(file, profile="staging")
    environ = {"EXPRESS_KAFKA__GROUP": "from-env", "EXPRESS_TEST_KAFKA": "not ours"}
    env = read(file, profile="staging", environ=environ)
    settings = read(file, "kafka.group=from-set", profile="staging", environ=environ)

    assert [loaded.config.kafka.group for loaded in (plain, profile, env, settings)] == [
        "lab",
        "staging",
        "from-env",
        "from-set",
    ]
    assert [loaded.origin(key) for loaded in (plain, profile, env, settings)] == [
        f"{file}:2",
        f"{file}:27",
        "environment EXPRESS_KAFKA__GROUP",
        "--set kafka.group",
    ]


def test_second_file_lies_over_the_first(file: Path, tmp_path: Path) -> None:
    """A later file overrides keys of an earlier one and keeps the rest; arrays are replaced whole."""
    other = tmp_path / "more" / "local.toml"
    other.parent.mkdir()
    other.write_text('[workers]\ncount = 3\n[functions]\nscore = "mine:score"\n')
    loaded = load([file, other], environ={})

    assert loaded.config.workers.count == 3
    assert loaded.config.kafka.group == "lab"
    assert loaded.config.function_table()["score"].handler == "mine:score"
    assert loaded.origin(("functions", "score")) == f"{other}:4"


def test_elements_are_overridden_by_name_or_index(file: Path) -> None:
    """`pipelines.orders` and `pipelines.1` name the same element."""
    loaded = read(file, "pipelines.orders.concurrency=7", "pipelines.0.time_limit=10s")

    assert loaded.config.pipelines[1].concurrency == 7
    assert loaded.config.pipelines[0].time_limit == 10.0
    with pytest.raises(ConfigError, match="no element 'nope'"):
        read(file, "pipelines.nope.concurrency=7")


def test_text_stays_text(file: Path) -> None:
    """An override of a text key is taken as it stands, digits and all."""
    loaded = read(file, environ={"EXPRESS_KAFKA__GROUP": "007"})

    assert loaded.config.kafka.group == "007"


def test_keys_with_dots_are_quoted(file: Path) -> None:
    """A function's ARN can be set on the command line, quoted as in TOML."""
    arn = "arn:aws:lambda:us-east-1:123456789012:function:score"
    loaded = read(file, f'functions."{arn}"=handlers:score')

    assert loaded.config.function_table()[arn].handler == "handlers:score"


def test_workflow_paths_start_at_their_file(file: Path) -> None:
    """A relative path is relative to the file that names it, not to the current folder."""
    loaded = read(file)

    assert loaded.config.pipelines[0].workflow == str(file.parent / "flows/iot.asl.json")


def test_variables_are_filled_in(file: Path) -> None:
    """`${NAME:-default}` in a string is the environment's value or the default; having neither is an error."""
    file.write_text('[kafka]\nbootstrap_servers = "${BROKER:-127.0.0.1:9092},b:1"\n')
    assert read(file).config.kafka.bootstrap_servers == "127.0.0.1:9092,b:1"
    assert read(file, environ={"BROKER": "a:1"}).config.kafka.bootstrap_servers == "a:1,b:1"

    assert "BROKER is not set" in refused(file, '[kafka]\nbootstrap_servers = "${BROKER}"\n')


def test_every_mistake_at_once(file: Path) -> None:
    """All mistakes come in one message: file, line, key, and the name that was meant."""
    text = GOOD.replace('group = "lab"', 'grop = "lab"').replace('"process"', '"proces"').replace("= 50", "= 0")
    message = refused(file, text, "workers.drain=10", environ={"EXPRESS_METRIC__PORT": "1"})

    assert message.splitlines() == [
        "express.toml:2: kafka.grop: unknown key; did you mean 'group'?",
        "express.toml:6: functions.slow.mode: 'proces' is not a choice; did you mean 'process'?",
        "express.toml:24: pipelines[1].concurrency: Expected `int` >= 1",
        "environment EXPRESS_METRIC__PORT: metric: unknown key; did you mean 'metrics'?",
        '--set workers.drain: workers.drain: expected a duration with a unit such as "250ms", "30s" or '
        "\"5m\", got '10'",
    ]


def test_missing_key_names_the_table(file: Path) -> None:
    """A required key that is absent is reported where its table starts."""
    message = refused(file, GOOD.replace('output = "iot.results"\n', ""))

    assert message == "express.toml:8: pipelines[0]: the key 'output' is missing"


def test_toml_mistake_has_its_line(file: Path) -> None:
    """Text that is not TOML is reported with file and line."""
    assert refused(file, "[kafka]\ngroup = lab\n").startswith("express.toml:2: Invalid value")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("iot.events", "iot.results"), "would feed itself"),
        (('name = "orders"', 'name = "iot"'), "two pipelines named 'iot'"),
        (("orders.dead", "orders.results"), "dead letters need one of their own"),
        (("concurrency = 50", 'time_limit = "10m"'), "at most 5m"),
        (("concurrency = 50", 'payload_limit = "1MiB"'), "at most 256KiB"),
        (
            ("[functions]", "[kafka.client]\nenable_auto_commit = true\n[functions]"),
            "the offset rules of express",
        ),
        (("[functions]", '[kafka.client]\ngroup.id = "x"\n[functions]'), "kafka.group decides it"),
        (("[functions]", '[kafka.client]\nsasl.password = "hunter2"\n[functions]'), "write where it is kept"),
        (("[functions]", '[kafka.client]\nsasl_mechanism = "PLAIN"\n[functions]'), "login in the clear"),
        (client('security.protocol = "SASL_PLAINTEXT"'), "login in the clear"),
        (client('security.protocol = "SASL_TLS"'), "did you mean 'SASL_SSL'?"),
        (client('security.protocol = "SSL"\nsasl.username = "u"'), "never logs in: SASL_SSL does"),
        (client('security.protocol = "sasl_ssl"\nsasl.mechanism = "GSSAPI"'), "is none of PLAIN, SCRAM-SHA-256"),
        (client('security.protocol = "SASL_SSL"\nsasl.username = "u"'), "SASL_SSL needs sasl.password"),
        (client('ssl.truststore.location = "x.jks"'), "of Java's client: set ssl.ca.location, a PEM file"),
        (client('sasl.jaas.config = "x password=hunter2"'), "set sasl.username and sasl.password"),
        (client("enable.ssl.certificate.verification = false"), "verified, always"),
        (client('session_timeout_ms = "30s"'), "a number of milliseconds above 0, not '30s'"),
        (client("heartbeat.interval.ms = 45000"), "has to be less than session_timeout_ms"),
        (client("rebalance_timeout_ms = 35000"), "have to be less than kafka.client.rebalance_timeout_ms, 35s"),
        (client('auto.offset.reset = "latest"'), "records that came before the first commit are lost"),
        (client("transaction_timeout_ms = 60000"), "express.toml:5: kafka.client.transaction_timeout_ms: is not set"),
        (client("sesion.timeout.ms = 1"), "no client knows the property 'sesion_timeout_ms'; did you mean"),
        (client('linger.ms = "soon"'), "must be a number of milliseconds from 0"),
        (client("max_poll_interval_ms = 30000"), "have to be less than kafka.client.max_poll_interval_ms, 30s"),
        (
            ("[functions]", '[workers]\nrebalance_drain = "5m"\n[functions]'),
            "rebalance_drain of 300s and 5s to commit have to be less than",
        ),
    ],
)
def test_rules_between_keys(file: Path, change: tuple[str, str], message: str) -> None:
    """What the shape allows and sense does not is refused as well."""
    text = refused(file, GOOD.replace(*change))

    assert message in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("^iot.*", "patterns are not understood, list the topics by name"),
        ("iot.*", "patterns are not understood"),
        ("a,b", "write a list with one name in each string"),
        ("", "one has 1 to 249 of A-Z"),
        (".", "is neither '.' nor '..'"),
        ("bestellungen für alle", "one has 1 to 249 of A-Z"),
        ("x" * 250, "one has 1 to 249 of A-Z"),
    ],
)
@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('topics = ["iot.events"]', "topics = [NAME]", "pipelines[0].topics[0]"),
        ('output = "iot.results"', "output = NAME", "pipelines[0].output"),
        ('dead_letter = "iot.dead"', "dead_letter = NAME", "pipelines[0].dead_letter"),
        ("[functions]", '[kafka]\nproduce = ["fine", NAME]\n[functions]', "kafka.produce[1]"),
        ("[functions]", "[execution_log]\ntopic = NAME\n[functions]", "execution_log.topic"),
        ("[functions]", "[api]\nlog_topic = NAME\n[functions]", "api.log_topic"),
    ],
)
def test_a_name_that_no_topic_can_have(file: Path, old: str, new: str, key: str, name: str, reason: str) -> None:
    """It is refused with its place: a client would wait for such a topic, or subscribe to none, and say nothing."""
    if not name and key.startswith(("execution_log", "api")):
        return  # none is wanted
    text = GOOD if "[kafka]\n" not in new else GOOD.replace('[kafka]\ngroup = "lab"\n', "")
    assert old in text
    message = refused(file, text.replace(old, new.replace("NAME", json.dumps(name))))

    assert f"{key}: " in message
    assert reason in message


def test_times_of_the_group_that_fit(file: Path) -> None:
    """A drain as long as the longest execution needs a rebalance that waits for it."""
    times = '[workers]\nrebalance_drain = "5m"\n[kafka.client]\nrebalance_timeout_ms = 330000\n[functions]'
    file.write_text(GOOD.replace("[functions]", times))

    assert read(file).config.workers.rebalance_drain == 300


def test_certificates_lie_beside_the_file(file: Path) -> None:
    """Names of certificate files are relative to the file that names them, in either spelling."""
    text = 'security.protocol = "SSL"\nssl.ca.location = "tls/ca.pem"\nssl_certfile = "/a/b.pem"'
    file.write_text(GOOD.replace(*client(text)))
    found = read(file).config.kafka.client

    assert found["ssl"] == {"ca": {"location": str(file.parent / "tls" / "ca.pem")}}
    assert found["ssl_certfile"] == "/a/b.pem"


def test_sasl_over_tls_is_fine(file: Path) -> None:
    """Logins over TLS, with the password kept elsewhere, need no flag."""
    file.write_text('[kafka.client]\nsecurity.protocol = "SASL_SSL"\nsasl.password = "env:P"\nsasl.username = "u"\n')

    assert dict(read(file).config.kafka.client)["security"] == {"protocol": "SASL_SSL"}


def test_secrets_are_revealed_but_not_shown(tmp_path: Path) -> None:
    """A revealed secret is its text to a library, and three asterisks wherever it is printed."""
    kept = tmp_path / "password"
    kept.write_text("s3cret\n")
    kept.chmod(0o600)
    for secret in (reveal("env:P", {"P": "s3cret"}), reveal(f"file:{kept}")):
        assert isinstance(secret, Secret)
        assert "\0".join(["u", secret]).encode() == b"u\0s3cret"
        assert (f"{secret}", str(secret), repr(secret), f"{[secret]}") == ("***", "***", "***", "[***]")


def test_secret_files_must_be_private(tmp_path: Path) -> None:
    """A secret that everybody may read is refused, and so is one that is not there."""
    kept = tmp_path / "password"
    kept.write_text("s3cret")
    kept.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        reveal(f"file:{kept}")
    with pytest.raises(ConfigError, match="export NOT_SET"):
        reveal("env:NOT_SET", {})


@pytest.mark.parametrize("text", ["10", "", "5 minutes", "-1s", 10, None])
def test_durations_need_a_unit(text: Any) -> None:
    """A bare number is no duration: nobody should guess whether 10 are seconds or milliseconds."""
    with pytest.raises(ValueError, match="duration with a unit"):
        Duration.parse(text)


@pytest.mark.parametrize(("text", "size"), [("64MB", 64_000_000), ("1 GiB", 2**30), ("10B", 10), (7, 7)])
def test_sizes(text: str | int, size: int) -> None:
    """Binary and decimal units are told apart, as everywhere."""
    assert Size.parse(text) == size
    with pytest.raises(ValueError, match="expected a size"):
        Size.parse(True)


def test_flat_lists_every_leaf(file: Path) -> None:
    """`config show` sees every value, defaults too."""
    leaves = dict(flat(read(file).config))

    assert leaves[("pipelines", 1, "topics")] == ["orders.eu", "orders.us"]
    assert leaves[("metrics", "port")] == 9464


KEYS = st.lists(st.sampled_from(["a", "b", "c d", "e.f"]), min_size=1, max_size=3, unique=True)


@given(st.lists(st.tuples(KEYS, st.sampled_from(["1", '"x"', "[\n1,\n2]", '"""\n[a]\nb=1\n"""'])), max_size=6))
def test_lines_agree_with_the_text(entries: Sequence[tuple[list[str], str]]) -> None:
    """Each key's line is the line its statement starts on, whatever values span."""
    lines = ["# top"]
    expected = {}
    for index, (keys, value) in enumerate(entries):
        expected[(f"t{index}",)] = len(lines) + 1
        lines.append(f"[t{index}]")
        expected[(f"t{index}", *keys)] = len(lines) + 1
        lines.extend((".".join(f'"{key}"' for key in keys) + f" = {value}").split("\n"))
    found = key_lines("\n".join(lines))

    assert {path: found[path] for path in expected} == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[pipelines]\nname = 'x'\n", "pipelines: it is a list of tables: write [[pipelines]] instead of [pipelines]"),
        ("[[kafka]]\ngroup = 'x'\n", "kafka: it is one table: write [kafka] instead of [[kafka]]"),
        ("[api.principals]\nname = 'x'\n", "write [[api.principals]] instead of [api.principals]"),
        ('{"kafka": {"group": "x"}}', "It looks like JSON: a configuration is TOML"),
        ("[1]\n", "unknown key"),
        ("# mine\n---\nkafka:\n  group: x\n", "It looks like YAML: a configuration is TOML"),
        ("kafka.group = x\n", "express.toml:1"),
    ],
)
def test_a_configuration_of_another_shape_or_format_says_what_to_write(tmp_path: Path, text: str, said: str) -> None:
    """A list written as a table, a table as a list, JSON and YAML are told apart from other mistakes."""
    (tmp_path / "express.toml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        load([tmp_path / "express.toml"], environ={})

    assert said in str(raised.value)
    assert ("It looks like" in str(raised.value)) == ("It looks like" in said)


def test_members_of_inline_tables_come_from_the_line_they_stand_on(tmp_path: Path) -> None:
    """An inline table, also one that lies over another, and one in an array."""
    first = "[kafka]\nclient = { 'client.id' = 'x', 'session.timeout.ms' = 10000 }\n"
    second = "[kafka]\nclient = { 'session.timeout.ms' = 20000, 'heartbeat.interval.ms' = 1000 }\n"
    (tmp_path / "a.toml").write_text(first)
    (tmp_path / "b.toml").write_text(second)
    loaded = load([tmp_path / "a.toml", tmp_path / "b.toml"], environ={})
    origins = {path[2:]: loaded.origin(path) for path, _ in flat(loaded.config) if path[:2] == ("kafka", "client")}

    assert {name: Path(origin).name for (name,), origin in origins.items()} == {
        "client.id": "a.toml:2",
        "session.timeout.ms": "b.toml:2",
        "heartbeat.interval.ms": "b.toml:2",
    }
