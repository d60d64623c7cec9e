"""Meaning of each key, in a sentence: for the documentation's tables and the JSON Schema. A test wants every key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from express.config.model import Config, schema_of
from express.config.quantities import Duration, Size

MEANINGS = {
    "kafka.bootstrap_servers": "Brokers to connect to first, `host:port`, separated by commas.",
    "kafka.group": "Prefix of the consumer groups: the pipeline NAME is in the group `GROUP-NAME`.",
    "kafka.allow_plaintext_password": "Allow a SASL login over a connection that is not encrypted.",
    "kafka.produce": "Topics that tasks may write to with `arn:express:kafka:::produce`. Empty: none.",
    "kafka.client": "Properties of the Kafka client, in aiokafka's or librdkafka's names. Secrets are references.",
    "functions": 'Functions that tasks may call: name or ARN = `"module:function"`, or a table with the keys below.',
    "functions.*.handler": "`module:function`, a `def` or `async def` of `(event, context)`.",
    "functions.*.mode": "Where a `def` runs: in a thread, in the event loop (`inline`), or in a process of its own.",
    "functions.*.concurrency": "Calls running at the same time in a worker, at most; more wait. Unset: no limit.",
    "functions.*.timeout": "Longest time of a call; a longer one fails with `Sandbox.Timedout`.",
    "functions.*.memory": "MB that the handler's context names as its limit; not enforced.",
    "pipelines": "Any number of `[[pipelines]]`.",
    "pipelines.*.name": "Name in metrics, logs and the consumer group.",
    "pipelines.*.topics": "Input topics.",
    "pipelines.*.workflow": "File of the definition.",
    "pipelines.*.workflows": "Files of further workflows, which a record may choose by `input.workflow_header`.",
    "pipelines.*.output": "Topic for results: what executions ended with.",
    "pipelines.*.dead_letter": "Topic for records that no execution could be started with.",
    "pipelines.*.group": "Consumer group. Empty: `GROUP-NAME`.",
    "pipelines.*.concurrency": "Executions running in a worker and records waiting behind them, at most.",
    "pipelines.*.concurrency_per_partition": (
        "Records in flight per partition, at most: from the oldest unfinished one to the newest."
    ),
    "pipelines.*.payload_limit": (
        "Largest record and largest output. A larger record becomes a dead letter, a larger output fails."
    ),
    "pipelines.*.time_limit": "Longest time of an execution; a longer one ends as TIMED_OUT.",
    "pipelines.*.ordering": (
        "What runs one after the other: executions of one key (`key`), of one partition, or nothing (`none`)."
    ),
    "pipelines.*.delivery": "How often a record may have a result: see [guarantees](guarantees.md#records).",
    "pipelines.*.memory": "Estimated memory of what is in flight in a worker, at most; the intake stops at 80 % of it.",
    "pipelines.*.input.envelope": "Form of an execution's input: see [events](events.md#the-input-of-an-execution).",
    "pipelines.*.input.execution_name": (
        "What executions are named after: topic, partition and offset, or source and id of the CloudEvent (`event`)."
    ),
    "pipelines.*.input.workflow_header": "Header that chooses the workflow, by its name or ARN. Empty: none does.",
    "pipelines.*.input.workflow_absent": (
        "What a record without that header becomes: an execution of `workflow` (`default`), or a dead letter."
    ),
    "pipelines.*.input.workflow_unknown": (
        "What a record becomes whose header names no workflow of the pipeline: the same choice."
    ),
    "pipelines.*.results.cloudevents": "Mode of the CloudEvents that results are written as.",
    "pipelines.*.results.copy_headers": "Headers that a result takes over from its record.",
    "pipelines.*.logging.level": "Execution events to be logged: see [execution logs](api.md#execution-logs).",
    "pipelines.*.logging.levels": "The same for single workflows, by name.",
    "pipelines.*.logging.include_execution_data": "Log inputs, outputs and variables, too.",
    "workers.count": "Worker processes. 0: one per CPU.",
    "workers.threads": "Threads for `def` handlers, per worker.",
    "workers.drain": "Time that running executions have to end after SIGTERM.",
    "workers.rebalance_drain": "Time that they have to end when their partition moves to another worker.",
    "workers.restart_delay": "Pause before a dead worker is started again; it doubles with each death in a row.",
    "workers.restart_delay_max": "Longest such pause.",
    "metrics.host": "Address of `/metrics` and the health checks.",
    "metrics.port": "Port of `/metrics` and the health checks. 0: any free one.",
    "metrics.hosts": "Host names that requests may use, besides those of loopback and, off loopback, IP addresses.",
    "metrics.interval": "How often workers report.",
    "metrics.series": "Time series of one metric, at most; the rest is added up in one.",
    "metering.table": "Table of the price file: `aws`, `flat`, or one of your own.",
    "metering.prices": "Price file. Empty: the one that comes with express.",
    "log.level": "Lowest level of the messages on stderr.",
    "log.format": "Form of these messages: text, or one JSON object per line.",
    "api.enabled": "Serve the API beside the workers of `express run`. `express serve` and `express dev` always do.",
    "api.host": "Address of the Step Functions API.",
    "api.port": "Port of the API. 0: any free one.",
    "api.region": "Region in ARNs.",
    "api.account": "Account in ARNs.",
    "api.store": "File that keeps state machines. Empty: memory only.",
    "api.queue": "Let StartExecution write to the topic of the pipeline whose workflow has the machine's name.",
    "api.strict": "Hide Express executions from the calls that AWS refuses for them.",
    "api.history": "Keep histories, so that executions can be looked at.",
    "api.include_execution_data": "Keep inputs and outputs, whatever a machine's logging configuration says.",
    "api.log_file": "File of the execution log; `-` is stdout. Empty: none.",
    "api.log_size": "Size at which a new log file is begun.",
    "api.log_files": "Old log files that are kept.",
    "api.log_topic": "Kafka topic of the execution log, with or without a file.",
    "execution_log.file": "File for execution logs of workers: `NAME.log` is `NAME-0.log` in the first; `-` is stdout.",
    "execution_log.size": "Size at which a new file is begun.",
    "execution_log.files": "Old files that are kept.",
    "execution_log.topic": "Kafka topic for execution logs of workers, with or without a file.",
    "traces.endpoint": "URL of an OTLP receiver (`http://127.0.0.1:4318/v1/traces`). Empty: no traces.",
    "traces.headers": "Headers for the receiver. Secrets are references.",
    "traces.service": "Value of `service.name`.",
    "traces.ratio": "Share of all executions that become traces.",
    "traces.slowest": "Slowest successes of each minute that become traces in any case.",
    "traces.waiting": "Executions waiting to be sent, at most; more are dropped and counted.",
    "traces.timeout": "Longest time for sending a batch.",
    "api.hosts": "Host names that requests may use, besides those of loopback.",
    "api.origins": "Web origins that browsers may call from.",
    "api.connections": "Connections open at the same time, at most.",
    "api.tls_certificate": "Certificate file; with it the API speaks TLS.",
    "api.tls_key": "Key file of the certificate.",
    "api.tls_client_ca": "CA of client certificates; with it every caller needs one.",
    "api.tls_elsewhere": "A proxy in front of the API speaks TLS.",
    "api.principals": "Callers: any number of `[[api.principals]]`. None: everybody may do everything.",
    "api.principals.*.name": "Name of the caller in logs.",
    "api.principals.*.access_key_id": "Id of the key that the caller signs with.",
    "api.principals.*.secret_access_key": 'Reference to the secret: `"env:NAME"` or `"file:/path"`.',
    "api.principals.*.api_key_sha256": "SHA-256 of an API key, in hexadecimal digits.",
    "api.principals.*.certificate": "Common name of a client certificate.",
    "api.principals.*.allow": "What the caller may do: any number of `[[api.principals.allow]]`.",
    "api.principals.*.allow.*.actions": "Actions, with `*` and `?`.",
    "api.principals.*.allow.*.resources": "ARNs, with `*` and `?`.",
    "api.kept.failures": "Failed executions that are kept, at most.",
    "api.kept.slowest": "Slowest executions that are kept, at most.",
    "api.kept.samples": "Successful executions that are kept, at most.",
    "api.kept.samples_per_second": "Successful executions per second that may be kept, at most.",
    "api.kept.size": "Memory of everything that is kept, at most.",
    "standard.durability": "`full`: a commit survives the loss of power. `normal`: it survives the process.",
    "standard.lost_task": "A call that was under way when a server died: `redo` makes it again, `fail` fails the task.",
    "standard.retention_days": "Days for which a Standard execution is kept after its end.",
    "standard.cache": "Memory for Standard executions that moved lately.",
    "aws.allow": 'Calls that definitions may make: `"dynamodb:putItem"`, `"sqs:*"`. Empty: none.',
    "aws.region": "Region of the calls. Empty: the one that the AWS credential chain names.",
    "aws.endpoint_url": "URL for all AWS calls, for emulators. Empty: AWS.",
    "aws.endpoints": 'URL for the calls of one service: `dynamodb = "http://127.0.0.1:8000"`.',
    "aws.functions": 'Lambda functions that are not in `[functions]`: name or pattern = `"aws"`, or a URL.',
    "aws.roles": "State machine name = role that makes its calls, through STS.",
    "aws.assume": "Roles that the `Credentials` of a state may name.",
    "aws.instance_metadata": "Ask the machine's metadata service for credentials.",
    "aws.connections": "Connections to one service in a worker, at most.",
    "aws.attempts": "Transport-level attempts per call, below the workflow's own Retry. 1 turns them off.",
    "aws.connect_timeout": "Longest time for opening a connection.",
    "aws.read_timeout": "Longest time for an answer.",
    "http.timeout": "Longest time of an HTTP task in all; at most 60 s.",
    "http.connect_timeout": "Longest time for opening a connection.",
    "http.response_limit": "Largest response, after decompression; at most 256 KiB.",
    "connections": "Any number of `[connections.NAME]`, which HTTP tasks name by ConnectionArn.",
    "connections.*.auth": "How requests are authorized.",
    "connections.*.username": "User of `basic`.",
    "connections.*.password": 'Reference to its password: `"env:NAME"` or `"file:/path"`.',
    "connections.*.key_name": "Header of `api_key`.",
    "connections.*.key": "Reference to its value.",
    "connections.*.client_id": "Client of `oauth`.",
    "connections.*.client_secret": "Reference to its secret.",
    "connections.*.token_url": "URL that gives `oauth` its tokens.",
    "connections.*.scope": "Scope of the tokens.",
    "connections.*.headers": "Headers of every request; they win over those of the state.",
    "connections.*.query": "Query parameters of every request.",
    "connections.*.body": "Members of every JSON or form body.",
    "connections.*.allow": "Where requests may go: any number of `[[connections.NAME.allow]]`. None: nowhere.",
    "connections.*.allow.*.url": "Scheme, host, port and path prefix.",
    "connections.*.allow.*.methods": "Methods that may go there.",
    "connections.*.networks": "Private networks that it may reach, as CIDR; all others are refused.",
    "connections.*.limit": "Connections open at the same time in a worker, at most.",
    "nested.depth": "Executions that start each other in a process: longest chain.",
    "nested.concurrency": "Nested executions running in a worker, at most; more are refused.",
    "breaker.failures": "Failed calls in a row after which an endpoint is not called for a while. 0: never.",
    "breaker.open": "How long it is not called before one call tries it.",
    "breaker.open_max": "Longest such pause; it doubles with each try that fails.",
    "breaker.errors": "Patterns of errors that mean a dead endpoint; other errors are answers.",
    "limits": 'Any number of `[limits."ENDPOINT"]`: limits of one endpoint, named as in its metrics.',
    "limits.*.concurrency": "Calls running at the same time in a worker, at most; more wait. Unset: no limit.",
    "limits.*.queue": "Calls waiting, at most; more are refused.",
    "limits.*.timeout": "Longest time of a call; a longer one fails with `States.Timeout`.",
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


def sections() -> list[str]:
    """The sections, in order."""
    return list(Config.__struct_fields__)
