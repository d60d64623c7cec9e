"""The configuration as strict structs. Every key has its meaning and default here, once.

`docs/configuration.md` holds the table of these fields and is tested against them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from express.config.quantities import Duration, Size

Positive = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,80}$")]
Port = Annotated[int, Meta(ge=0, le=65535)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shared settings of all sections."""


def duration(text: str) -> Any:
    """A field whose default is the duration `text`."""
    return field(default_factory=lambda: Duration.parse(text))


def size(text: str) -> Any:
    """A field whose default is the size `text`."""
    return field(default_factory=lambda: Size.parse(text))


class Kafka(Section, frozen=True, kw_only=True):
    """`[kafka]`: the cluster. `client` passes properties through, in aiokafka's or librdkafka's names.

    `produce` lists the topics that Task states may write to.
    """

    bootstrap_servers: str = "127.0.0.1:9092"
    group: Name = "express"
    allow_plaintext_password: bool = False
    produce: list[str] = field(default_factory=list)
    client: dict[str, Any] = field(default_factory=dict)


class Function(Section, frozen=True, kw_only=True):
    """A row of `[functions]`: a Python handler. `mode` says where a `def` runs; `async def`: on the loop."""

    handler: Annotated[str, Meta(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")]
    mode: Literal["inline", "thread", "process"] = "thread"
    concurrency: Positive | None = None
    timeout: Duration | None = None
    memory: Positive = 128


Envelope = Literal["value", "record", "pipes", "cloudevents"]

Ordering = Literal["key", "partition", "none"]


class Input(Section, frozen=True, kw_only=True):
    """`[pipelines.input]`: what of a record becomes the input, and which workflow it is for.

    `workflow_header` names the header by which a record may choose among the workflows of its pipeline, and only
    among those.
    """

    envelope: Envelope = "value"
    execution_name: Literal["offset", "event"] = "offset"
    workflow_header: Annotated[str, Meta(max_length=249)] = ""
    workflow_absent: Literal["default", "dead_letter"] = "default"
    workflow_unknown: Literal["default", "dead_letter"] = "dead_letter"


class Results(Section, frozen=True, kw_only=True):
    """`[pipelines.results]`: the form of results. Trace context is carried over without being asked for."""

    cloudevents: Literal["off", "binary", "structured"] = "off"
    copy_headers: Annotated[list[Annotated[str, Meta(min_length=1, max_length=249)]], Meta(max_length=16)] = field(
        default_factory=list
    )


LogLevel = Literal["ALL", "ERROR", "FATAL", "OFF"]


class Logging(Section, frozen=True, kw_only=True):
    """`[pipelines.logging]`: what `[execution_log]` gets of a pipeline's executions.

    `levels` are for single workflows, by their names.
    """

    level: LogLevel = "OFF"
    levels: dict[str, LogLevel] = field(default_factory=dict)
    include_execution_data: bool = False


class ExecutionLog(Section, frozen=True, kw_only=True):
    """`[execution_log]`: where the workers of `express run` write execution logs. `-` is stdout."""

    file: str = ""
    size: Size = size("100MiB")
    files: Positive = 5
    topic: str = ""


class Pipeline(Section, frozen=True, kw_only=True):
    """`[[pipelines]]`: one workflow over one or more input topics. `workflows` are further ones, chosen by header."""

    name: Name
    topics: Annotated[list[str], Meta(min_length=1)]
    workflow: str
    workflows: list[str] = field(default_factory=list)
    output: str
    dead_letter: str
    group: str = ""
    concurrency: Positive = 10_000
    concurrency_per_partition: Annotated[int, Meta(ge=1, le=1024)] = 1024
    payload_limit: Size = size("256KiB")
    time_limit: Duration = duration("5m")
    ordering: Ordering = "key"
    delivery: Literal["at_least_once", "exactly_once"] = "at_least_once"
    memory: Size = size("128MiB")
    input: Input = field(default_factory=Input)
    results: Results = field(default_factory=Results)
    logging: Logging = field(default_factory=Logging)


class Workers(Section, frozen=True, kw_only=True):
    """`[workers]`: the processes. `count` 0 is one per CPU; `threads` bounds the pool for `def` handlers."""

    count: Annotated[int, Meta(ge=0, le=1024)] = 1
    threads: Positive = 32
    drain: Duration = duration("30s")
    rebalance_drain: Duration = duration("30s")
    restart_delay: Duration = duration("500ms")
    restart_delay_max: Duration = duration("30s")


class Metrics(Section, frozen=True, kw_only=True):
    """`[metrics]`: the HTTP server of the parent process. Port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: Port = 9464
    hosts: list[str] = field(default_factory=list)
    interval: Duration = duration("1s")
    series: Positive = 1_000


class Metering(Section, frozen=True, kw_only=True):
    """`[metering]`: the price table for cost figures. `prices` empty: the file that comes with express."""

    table: str = "aws"
    prices: str = ""


class Log(Section, frozen=True, kw_only=True):
    """`[log]`: what the processes tell on stderr: ids and sizes, never the data of an execution."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Rule(Section, frozen=True, kw_only=True):
    """Rights of a principal: actions and ARNs, by pattern (`*`, `?`)."""

    actions: list[str] = field(default_factory=lambda: ["*"])
    resources: list[str] = field(default_factory=lambda: ["*"])


class Principal(Section, frozen=True, kw_only=True):
    """A row of `[[api.principals]]`: a caller, one of its three credentials, and what it may do.

    `secret_access_key` says where the secret is kept ("env:NAME", "file:/path"); `api_key_sha256` is the hash of
    the key, in hex; `certificate` the common name of a client certificate.
    """

    name: Name
    access_key_id: str = ""
    secret_access_key: str = ""
    api_key_sha256: Annotated[str, Meta(pattern=r"^([0-9a-fA-F]{64})?$")] = ""
    certificate: str = ""
    allow: list[Rule] = field(default_factory=list)


class Kept(Section, frozen=True, kw_only=True):
    """`[api.kept]`: ended executions that can be looked at. `samples_per_second` is for successes."""

    failures: Annotated[int, Meta(ge=0)] = 1_000
    slowest: Annotated[int, Meta(ge=0)] = 100
    samples: Annotated[int, Meta(ge=0)] = 1_000
    samples_per_second: Annotated[float, Meta(gt=0)] = 100.0
    size: Size = size("64MiB")


class Api(Section, frozen=True, kw_only=True):
    """`[api]`: the Step Functions API. `store` empty keeps state machines in memory only.

    `strict` hides Express executions as AWS does. `queue`: StartExecution of a machine named like a pipeline's
    workflow puts its input into the pipeline's first topic. `include_execution_data` keeps payloads of executions
    whatever their machine's logging configuration says. `log_file` gets the execution logs: a path, `-` for stdout.
    """

    enabled: bool = False
    host: str = "127.0.0.1"
    port: Port = 8083
    region: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}$")] = "us-east-1"
    account: Annotated[str, Meta(pattern=r"^\d{12}$")] = "123456789012"
    store: str = "express.db"
    strict: bool = False
    queue: bool = False
    history: bool = True
    include_execution_data: bool = False
    log_file: str = ""
    log_size: Size = size("100MiB")
    log_topic: str = ""
    log_files: Positive = 5
    hosts: list[str] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    connections: Positive = 4_096
    tls_certificate: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    tls_elsewhere: bool = False
    principals: list[Principal] = field(default_factory=list)
    kept: Kept = field(default_factory=Kept)


class Standard(Section, frozen=True, kw_only=True):
    """`[standard]`: how the server of the API runs Standard workflows, which are kept in the file of `api.store`.

    `durability` `full` keeps every commit when the power fails, `normal` when the process does. `lost_task` says what
    becomes of a call that was under way when a server died: `redo` makes it again with the same key, `fail` fails the
    task with Express.TaskLost. Executions are kept for `retention_days` after their end; `cache` bounds the memory of
    those that moved lately.
    """

    durability: Literal["full", "normal"] = "full"
    lost_task: Literal["redo", "fail"] = "redo"
    retention_days: Annotated[int, Meta(ge=1, le=366)] = 90
    cache: Size = size("256MiB")


class Aws(Section, frozen=True, kw_only=True):
    """`[aws]`: which AWS calls Task states may make, where they go, and as whom. Credentials: the standard chain.

    `allow` holds `SERVICE:ACTION` patterns; empty allows nothing. `functions` maps names of Lambda functions that no
    row of `[functions]` serves to `aws` or to an URL. `roles` maps state machines to the roles they act as, `assume`
    lists the roles that a state's Credentials may name.
    """

    allow: list[str] = field(default_factory=list)
    region: Annotated[str, Meta(pattern=r"^([a-z0-9-]{1,32})?$")] = ""
    endpoint_url: str = ""
    endpoints: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    assume: list[str] = field(default_factory=list)
    instance_metadata: bool = False
    connections: Positive = 64
    attempts: Positive = 1
    connect_timeout: Duration = duration("5s")
    read_timeout: Duration = duration("60s")


class Destination(Section, frozen=True, kw_only=True):
    """A row of `[[connections.NAME.allow]]`: an URL whose path is a prefix, and the methods that may go there."""

    url: str
    methods: list[Literal["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]] = field(
        default_factory=lambda: ["GET", "POST"]
    )


class Connection(Section, frozen=True, kw_only=True):
    """`[connections.NAME]`: what an HTTP task means by the ConnectionArn of that name.

    `username` and `password` are for `basic`, `key_name` (a header) and `key` for `api_key`, the rest for `oauth`
    (client credentials). `networks` are private networks that this connection may reach, in CIDR form.
    """

    auth: Literal["none", "basic", "api_key", "oauth"] = "none"
    username: str = ""
    password: str = ""
    key_name: str = ""
    key: str = ""
    client_id: str = ""
    client_secret: str = ""
    token_url: str = ""
    scope: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, str] = field(default_factory=dict)
    allow: list[Destination] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    limit: Positive = 256


class Http(Section, frozen=True, kw_only=True):
    """`[http]`: the bounds of HTTP tasks."""

    timeout: Duration = duration("60s")
    connect_timeout: Duration = duration("5s")
    response_limit: Size = size("256KiB")


class Nested(Section, frozen=True, kw_only=True):
    """`[nested]`: executions that executions start. `depth` bounds a chain of them, `concurrency` all in a worker."""

    depth: Positive = 16
    concurrency: Positive = 10_000


class Breaker(Section, frozen=True, kw_only=True):
    """`[breaker]`: when calls of an endpoint are refused without being tried.

    After `failures` calls in a row that ended with one of `errors` (patterns; 0: never); `open` doubles up to
    `open_max` with each probe that fails.
    """

    failures: Annotated[int, Meta(ge=0)] = 20
    open: Duration = duration("5s")
    open_max: Duration = duration("1m")
    errors: list[str] = field(
        default_factory=lambda: [
            "States.Timeout",
            "States.Http.Socket",
            "States.Http.StatusCode.502",
            "States.Http.StatusCode.503",
            "States.Http.StatusCode.504",
            "ApiGateway.50[234]",
            "*.SdkClientException",
            "Lambda.ServiceException",
            "Sandbox.Timedout",
            "Runtime.ExitError",
        ]
    )


class Limit(Section, frozen=True, kw_only=True):
    """`[limits."ENDPOINT"]`: bounds of one endpoint. `timeout` ends a call with States.Timeout.

    More calls than `concurrency` wait, at most `queue` of them; further ones are refused.
    """

    concurrency: Positive | None = None
    queue: Annotated[int, Meta(ge=0)] = 10_000
    timeout: Duration | None = None


class Traces(Section, frozen=True, kw_only=True):
    """`[traces]`: ended executions as OpenTelemetry traces, by OTLP over HTTP. `endpoint` empty: none.

    Failures and the `slowest` successes of each minute are always traces, of the others the share `ratio`.
    """

    endpoint: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    service: str = "express"
    ratio: Annotated[float, Meta(ge=0, le=1)] = 0.001
    slowest: Annotated[int, Meta(ge=0)] = 10
    waiting: Positive = 1_024
    timeout: Duration = duration("10s")


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration."""

    kafka: Kafka = field(default_factory=Kafka)
    functions: dict[str, str | Function] = field(default_factory=dict)
    pipelines: list[Pipeline] = field(default_factory=list)
    workers: Workers = field(default_factory=Workers)
    metrics: Metrics = field(default_factory=Metrics)
    metering: Metering = field(default_factory=Metering)
    log: Log = field(default_factory=Log)
    api: Api = field(default_factory=Api)
    standard: Standard = field(default_factory=Standard)
    execution_log: ExecutionLog = field(default_factory=ExecutionLog)
    traces: Traces = field(default_factory=Traces)
    aws: Aws = field(default_factory=Aws)
    http: Http = field(default_factory=Http)
    connections: dict[str, Connection] = field(default_factory=dict)
    nested: Nested = field(default_factory=Nested)
    breaker: Breaker = field(default_factory=Breaker)
    limits: dict[str, Limit] = field(default_factory=dict)

    def group_of(self, pipeline: Pipeline) -> str:
        """Return the consumer group of a pipeline: its own, or the common prefix and its name."""
        return pipeline.group or f"{self.kafka.group}-{pipeline.name}"

    def function_table(self) -> dict[str, Function]:
        """`functions` with the short form `name = "module:function"` written out."""
        return {
            name: Function(handler=entry) if isinstance(entry, str) else entry for name, entry in self.functions.items()
        }


def decode_custom(kind: type, value: object) -> object:
    """Msgspec's hook for the quantities."""
    if issubclass(kind, Duration | Size):
        return kind.parse(value)
    raise ValueError(f"no decoder for {kind}")


def encode_custom(value: object) -> object:
    """The other way round: what `decode_custom` reads."""
    if isinstance(value, Duration):
        return f"{value:.6f}s"
    if isinstance(value, Size):
        return int(value)
    raise TypeError(f"no encoder for {type(value)}")


def schema_of(kind: type) -> dict[str, Any]:
    """The JSON Schema of a quantity."""
    if kind is Duration:
        return {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h)$"}
    return {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\d+\s*([kKMG]i?B|B)?$"}]}
