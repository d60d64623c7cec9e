"""What each key means, in a sentence: for the documentation's tables and the JSON Schema. A test wants every key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from express.config.model import Config, schema_of
from express.config.quantities import Duration, Size

MEANINGS = {
    "kafka.bootstrap_servers": "Brokers to begin with, `host:port`, separated by commas.",
    "kafka.group": "Prefix of the consumer groups: pipeline NAME is in `GROUP-NAME`.",
    "kafka.allow_plaintext_password": "Let SASL go over an unencrypted connection.",
    "kafka.produce": "Topics that `arn:express:kafka:::produce` may write to; empty: none.",
    "kafka.client": "Properties for the client, in aiokafka's or librdkafka's names; secrets by reference.",
    "functions": 'Name or ARN of a function = `"module:function"`, or a table with the keys below.',
    "functions.*.handler": "`module:function`, a `def` or `async def handler(event, context)`.",
    "functions.*.mode": "Where a `def` runs: `thread`, `inline` (on the loop) or `process`.",
    "functions.*.concurrency": "Calls at once in a worker; more wait. Unset: no bound of its own.",
    "functions.*.timeout": "A call that takes longer fails as `Sandbox.Timedout`.",
    "functions.*.memory": "MB that the context tells the handler; not enforced.",
    "pipelines": "Any number of `[[pipelines]]`.",
    "pipelines.*.name": "Its name in metrics, logs and the consumer group.",
    "pipelines.*.topics": "Input topics.",
    "pipelines.*.workflow": "File of the definition, relative to this file.",
    "pipelines.*.workflows": "Files of further workflows, which a record may choose by `input.workflow_header`.",
    "pipelines.*.output": "Topic for results: what executions ended with.",
    "pipelines.*.dead_letter": "Topic for records that no execution could be started with.",
    "pipelines.*.group": "Consumer group; empty: `GROUP-NAME`.",
    "pipelines.*.concurrency": "Executions in flight, and records waiting behind them, in a worker.",
    "pipelines.*.concurrency_per_partition": "Records of a partition between its first open one and the last.",
    "pipelines.*.payload_limit": "Larger records are dead letters, larger outputs failures.",
    "pipelines.*.time_limit": "Longer executions end as TIMED_OUT.",
    "pipelines.*.ordering": "`key`: executions of a key one after the other; `partition`; `none`.",
    "pipelines.*.delivery": "See [guarantees](guarantees.md).",
    "pipelines.*.memory": "Estimated heap of what is in flight in a worker; intake stops at 80 %.",
    "pipelines.*.input.envelope": "What executions get: see [events](events.md).",
    "pipelines.*.input.execution_name": "`event`: executions are named after source and id of their CloudEvent.",
    "pipelines.*.input.workflow_header": "Header that names the workflow, by its name or ARN; empty: none does.",
    "pipelines.*.input.workflow_absent": "Records without that header: `default` runs `workflow`, or `dead_letter`.",
    "pipelines.*.input.workflow_unknown": "Records whose header names no workflow of the pipeline: the same two.",
    "pipelines.*.results.cloudevents": "Results as CloudEvents, `binary` or `structured`.",
    "pipelines.*.results.copy_headers": "Headers of the record that its result has, too.",
    "pipelines.*.logging.level": "What is logged of its executions: `ALL`, `ERROR`, `FATAL`, `OFF`; see [api](api.md).",
    "pipelines.*.logging.levels": "The same for single workflows, by name.",
    "pipelines.*.logging.include_execution_data": "Log inputs, outputs and variables, too.",
    "workers.count": "Worker processes; 0: one per CPU.",
    "workers.threads": "Threads for `def` handlers, per worker.",
    "workers.drain": "What executions in flight get after SIGTERM.",
    "workers.rebalance_drain": "What they get when their partition moves to another worker.",
    "workers.restart_delay": "Pause before a dead worker starts again; doubles each time.",
    "workers.restart_delay_max": "The longest such pause.",
    "metrics.host": "Address of `/metrics` and the health checks.",
    "metrics.port": "Port of the same; 0: any free one.",
    "metrics.hosts": "Host names that requests may come for, besides loopback ones and, off loopback, addresses.",
    "metrics.interval": "How often workers report.",
    "metrics.series": "Most series of one metric; what is beyond is summed up in one.",
    "metering.table": "Table of the price file: `aws` or `flat`, or one of your own.",
    "metering.prices": "Price file; empty: the one that comes with express.",
    "log.level": "What is told on stderr.",
    "log.format": "`text`, or `json`: one object a line.",
    "api.enabled": "Serve it beside the workers of `express run`; `express serve` and `express dev` always do.",
    "api.host": "Address of the Step Functions API.",
    "api.port": "Port of the API; 0: any free one.",
    "api.region": "Region in ARNs.",
    "api.account": "Account in ARNs.",
    "api.store": "File that keeps state machines; empty: memory only.",
    "api.queue": "StartExecution puts the input into the topic of the pipeline whose workflow has the machine's name.",
    "api.strict": "Hide Express executions from the calls that AWS refuses for them.",
    "api.history": "Keep the history of executions that can be looked at.",
    "api.include_execution_data": "Keep their payloads, whatever their logging configuration says.",
    "api.log_file": "Where execution logs go: a file, `-` for stdout, empty for nowhere.",
    "api.log_size": "Size at which the log file is turned over.",
    "api.log_files": "Turned-over log files that are kept.",
    "api.log_topic": "Kafka topic that the execution logs go to, besides the file or alone.",
    "execution_log.file": "Where workers log executions: `NAME.log` is `NAME-0.log` in the first; `-` for stdout.",
    "execution_log.size": "Size at which the file is turned over.",
    "execution_log.files": "Turned-over files that are kept.",
    "execution_log.topic": "Kafka topic that the execution logs go to, besides the file or alone.",
    "traces.endpoint": "URL of an OTLP receiver (`http://127.0.0.1:4318/v1/traces`); empty: no traces.",
    "traces.headers": "Headers for the receiver; secrets by reference.",
    "traces.service": "Its `service.name`.",
    "traces.ratio": "Share of all executions that become traces.",
    "traces.slowest": "Slowest successes of each minute that become traces whatever the share.",
    "traces.waiting": "Executions on their way to the receiver; more are dropped and counted.",
    "traces.timeout": "What sending a batch may take.",
    "api.hosts": "Host names that requests may come for, besides loopback ones.",
    "api.origins": "Web origins that browsers may call from.",
    "api.connections": "Most connections at once.",
    "api.tls_certificate": "Certificate file; with it the API speaks TLS.",
    "api.tls_key": "Key file of the certificate.",
    "api.tls_client_ca": "CA of client certificates, which are then demanded.",
    "api.tls_elsewhere": "Something in front of the API speaks TLS.",
    "api.principals": "Callers: any number of `[[api.principals]]`; none: everybody may do everything.",
    "api.principals.*.name": "The caller's name in logs.",
    "api.principals.*.access_key_id": "Id of the key that the caller signs with.",
    "api.principals.*.secret_access_key": 'Where the secret is kept: `"env:NAME"` or `"file:/path"`.',
    "api.principals.*.api_key_sha256": "SHA-256 of an API key, in hex.",
    "api.principals.*.certificate": "Common name of a client certificate.",
    "api.principals.*.allow": "What the caller may do: any number of `[[api.principals.allow]]`.",
    "api.principals.*.allow.*.actions": "Actions, with `*` and `?`.",
    "api.principals.*.allow.*.resources": "ARNs, with `*` and `?`.",
    "api.kept.failures": "Failed executions that are kept.",
    "api.kept.slowest": "Slowest executions that are kept.",
    "api.kept.samples": "Successful executions that are kept.",
    "api.kept.samples_per_second": "Successful executions that are looked at each second.",
    "api.kept.size": "Memory for all that is kept.",
    "aws.allow": 'Calls that definitions may make: `"dynamodb:putItem"`, `"sqs:*"`; empty: none.',
    "aws.region": "Region of the calls; empty: the standard chain's.",
    "aws.endpoint_url": "Where all AWS calls go; empty: AWS. For emulators.",
    "aws.endpoints": 'The same for one service: `dynamodb = "http://127.0.0.1:8000"`.',
    "aws.functions": 'Lambda functions outside: name or pattern = `"aws"`, or the URL that is called.',
    "aws.roles": "State machine name = role that its calls are made as, through STS.",
    "aws.assume": "Roles that the Credentials of a state may name.",
    "aws.instance_metadata": "Ask the machine's metadata service for credentials.",
    "aws.connections": "Most connections to a service, in a worker.",
    "aws.attempts": "Attempts of one call below Retry; 1: only Retry repeats.",
    "aws.connect_timeout": "What opening a connection may take.",
    "aws.read_timeout": "What an answer may take.",
    "http.timeout": "What an HTTP task may take in all; at most 60 s.",
    "http.connect_timeout": "What opening a connection may take.",
    "http.response_limit": "Largest response, after decompression; at most 256 KiB.",
    "connections": "Any number of `[connections.NAME]`: what an HTTP task names by ConnectionArn.",
    "connections.*.auth": "How requests are authorized.",
    "connections.*.username": "User of `basic`.",
    "connections.*.password": 'Where its password is kept: `"env:NAME"` or `"file:/path"`.',
    "connections.*.key_name": "Header of `api_key`.",
    "connections.*.key": "Where its value is kept.",
    "connections.*.client_id": "Client of `oauth`.",
    "connections.*.client_secret": "Where its secret is kept.",
    "connections.*.token_url": "Where `oauth` gets its tokens.",
    "connections.*.scope": "Scope asked for.",
    "connections.*.headers": "Headers of every request, before those of the state.",
    "connections.*.query": "Query parameters of every request.",
    "connections.*.body": "Members of every JSON or form body.",
    "connections.*.allow": "Where requests may go: any number of `[[connections.NAME.allow]]`; none: nowhere.",
    "connections.*.allow.*.url": "Scheme, host, port and path prefix.",
    "connections.*.allow.*.methods": "Methods that may go there.",
    "connections.*.networks": "Private networks it may reach, as CIDR; all others are refused.",
    "connections.*.limit": "Most connections at once, in a worker.",
    "nested.depth": "Longest chain of executions that start each other in a process.",
    "nested.concurrency": "Nested executions in flight in a worker; more are refused.",
    "breaker.failures": "Calls of an endpoint that fail in a row before it is left alone; 0: never.",
    "breaker.open": "How long it is left alone before a call probes it.",
    "breaker.open_max": "The longest such pause; it doubles with each probe that fails.",
    "breaker.errors": "Patterns of errors that tell of a dead endpoint; others are answers.",
    "limits": 'Any number of `[limits."ENDPOINT"]`: bounds of one endpoint, named as in its metrics.',
    "limits.*.concurrency": "Calls of it at once in a worker; more wait. Unset: no bound.",
    "limits.*.queue": "Calls that may wait; more are refused.",
    "limits.*.timeout": "A call that takes longer fails as `States.Timeout`.",
}


class Key(msgspec.Struct, frozen=True):
    """Something to configure: its name, `*` for any name or index, its default, and the struct that holds it."""

    name: str
    default: str
    owner: str


def keys(kind: Any = Config, prefix: str = "") -> Iterator[Key]:
    """Everything there is to configure."""
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        name = f"{prefix}{field.name}"
        inner, many = _inner_struct(hints[field.name])
        if inner is None or many:
            yield Key(name, _default(field), kind.__name__)
        if inner is not None:
            yield from keys(inner, f"{name}.*." if many else f"{name}.")


def schema() -> dict[str, Any]:
    """The JSON Schema of a configuration file, with what each key means, for editors."""
    made = msgspec.json.schema(Config, schema_hook=schema_of)
    for key in keys():
        field = made["$defs"][key.owner]["properties"][key.name.rpartition(".")[2]]
        field["description"] = MEANINGS[key.name]
    return made


def _inner_struct(hint: Any) -> tuple[Any, bool]:
    """The struct that a field holds, and whether it holds many."""
    while hasattr(hint, "__metadata__"):
        hint = get_args(hint)[0]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint, False
    if get_origin(hint) in (list, dict):
        for candidate in (get_args(hint)[-1], *get_args(get_args(hint)[-1])):
            if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
                return candidate, True
    return None, False


def _default(field: Any) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, Duration):
        if value < 1:
            return f'"{value * 1000:g}ms"'
        return f'"{value / 60:g}m"' if value % 60 == 0 else f'"{float(value):g}s"'
    if isinstance(value, Size):
        return f'"{int(value) >> 20}MiB"' if value >= 1 << 20 else f'"{int(value) >> 10}KiB"'
    return "unset" if value is None else msgspec.json.encode(value).decode()


def table(section: str) -> str:
    """One section's keys as a Markdown table."""
    rows = [key for key in keys() if key.name == section or key.name.startswith(f"{section}.")]
    lines = [f"| `{key.name}` | `{key.default}` | {MEANINGS[key.name]} |" for key in rows]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *lines]) + "\n"


def sections() -> list[str]:
    """The sections, in order."""
    return list(Config.__struct_fields__)
