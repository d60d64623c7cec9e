"""From a job to running parts: the table of adapters, one processor per pipeline."""

from __future__ import annotations

import asyncio

import msgspec

from express.config import Function
from express.config import Pipeline as PipelineConfig
from express.integrations import CircuitBreakers, ExternalIntegrations, InProcess, Integrations, LocalFunctions, table
from express.kafka.properties import ClientProperties, client_properties
from express.ports import Sink, Tracing
from express.runtime.clock import SystemClock
from express.runtime.dependents import Attachments
from express.runtime.drain.pipeline import Pipeline, Workflow
from express.runtime.drain.processor import Processor
from express.runtime.executor.executor import Executor
from express.service.child_executions.worker import WorkerMachines, attaches
from express.service.job import Job
from express.service.logging import WorkerLogs
from express.service.tracing import make_tracer
from express.service.worker_metrics import MeasuredIntegrations
from express.service.workflows import compile_callable, definition_keys, machine_name, workflow_files
from express.sinks.input_queue import LazyQueue
from express.sinks.kafka import KafkaSink
from express.sinks.transactions import KafkaTransactions
from express.sources.kafka import KafkaSource
from express.telemetry.execution_samples import ExecutionSamples
from express.telemetry.observers import together
from express.telemetry.trace_sampling import Tracer


class WorkerParts(msgspec.Struct):
    """The parts of a worker."""

    processors: list[Processor]
    integrations: MeasuredIntegrations
    executor: Executor
    functions: LocalFunctions
    outside: ExternalIntegrations
    machines: WorkerMachines
    topics: LazyQueue
    gates: CircuitBreakers
    logs: WorkerLogs
    tracer: Tracer | None = None
    kept: ExecutionSamples | None = None

    async def start(self) -> None:
        """Begin what needs the loop."""
        await self.logs.start()

    async def close(self) -> None:
        """Let go of everything but the processors, which end by themselves."""
        await self.executor.close()
        await self.outside.close()
        await self.topics.stop()
        await self.functions.close()
        if self.tracer is not None:
            await asyncio.to_thread(self.tracer.close)
        await self.logs.stop()


def build(job: Job) -> WorkerParts:
    """Every part of a worker, not yet running; must be called on its loop.

    Raises ConfigError, DefinitionError and HandlerError for what could only fail later.
    """
    config = job.config
    properties = client_properties(config.kafka)
    clock, attached, topics = SystemClock(), Attachments(), LazyQueue(properties.producer)
    machines = WorkerMachines(clock, config.nested, attached)
    machines.name(set(map(machine_name, [*workflow_files(config), *job.others])))
    functions = LocalFunctions(_functions(job), threads=config.workers.threads)
    outside = ExternalIntegrations(config, functions, InProcess(machines=machines, topics=topics, outbox=attached))
    gates = CircuitBreakers(config.breaker, config.limits)
    inner = Integrations(table(functions, outside), gates)
    integrations = MeasuredIntegrations(inner)
    executor = Executor(clock, integrations)
    machines.bind(executor)
    tracer = make_tracer(config.traces)
    logs = WorkerLogs(config, job.worker, properties.producer)
    kept = None
    if config.api.enabled and config.api.history:
        kept = ExecutionSamples(include_data=config.api.include_execution_data)
    processors = []
    for pipeline in config.pipelines:
        workflows = []
        seen = together([logs.of(pipeline.name), tracer, kept])
        for key, file in definition_keys(pipeline).items():
            program = compile_callable(job.definitions[key].encode(), outside.functions, inner, file)
            name, region, account = machine_name(file), config.api.region, config.api.account
            workflows.append(Workflow(name=name, program=program, region=region, account=account))
            machines.add(workflows[-1])
        processors.append(_processor(job, pipeline, workflows, properties, executor, clock, attached, seen))
    for file, text in job.others.items():
        name = machine_name(file)
        if not machines.has(name):
            machines.add(Workflow(name=name, program=compile_callable(text.encode(), outside.functions, inner, file)))
    return WorkerParts(
        processors, integrations, executor, functions, outside, machines, topics, gates, logs, tracer, kept
    )


def _functions(job: Job) -> dict[str, Function]:
    """The functions of the configuration, those that are isolated each in processes of its own."""
    return {
        name: msgspec.structs.replace(function, mode="process") if name in job.isolated else function
        for name, function in job.config.function_table().items()
    }


def _processor(
    job: Job,
    pipeline: PipelineConfig,
    workflows: list[Workflow],
    properties: ClientProperties,
    executor: Executor,
    clock: SystemClock,
    attached: Attachments,
    tracer: Tracing | None,
) -> Processor:
    config = job.config
    starts = any(attaches(workflow.program) for workflow in workflows)
    running = Pipeline(
        settings=pipeline,
        workflow=workflows[0],
        workflows=tuple(workflows[1:]),
        drain_seconds=config.workers.drain,
        rebalance_drain_seconds=config.workers.rebalance_drain,
        worker=f"{config.kafka.group}-{pipeline.name}-{job.worker}",
        attached=attached if starts else None,
        bootstrap_servers=config.kafka.bootstrap_servers,
        tracer=tracer,
    )
    group = config.group_of(pipeline)
    consumer = dict(properties.consumer)
    if "group_instance_id" in consumer:  # static membership: every member needs a name of its own
        apart = f"-{pipeline.name}" if pipeline.group else ""  # whose group may be that of another pipeline, too
        consumer["group_instance_id"] = f"{consumer['group_instance_id']}-{job.worker}{apart}"
    source = KafkaSource(pipeline.topics, group, consumer)
    outputs = [pipeline.output, pipeline.dead_letter]
    sink: Sink = KafkaSink(outputs, properties.producer)
    if pipeline.delivery == "exactly_once":
        produce = config.kafka.produce if starts else ()
        sink = KafkaTransactions(outputs, group, properties.producer, produce)
    return Processor(running, source, sink, executor, clock)
