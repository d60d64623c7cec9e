"""The course for each error that brokers answer a write with: decided here, once, for every code of the protocol.

A write that can never succeed is not an outage. What passes is repeated by the client, a batch that is too large is
split, a record that its topic does not take is refused by itself, and what a person has to mend stops the pipeline with
a sentence. What nobody foresaw is tried a few times, and then stops it too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from aiokafka.errors import BrokerResponseError, ProducerFenced

from express.errors import PipelineStopped, SinkError, SourceError


class Course(Enum):
    """The course after an answer."""

    RETRY = "repeated until it passes; it is told where that takes long"
    RENEW = "begun anew with another producer"
    SPLIT = "the batch is split; a single record is refused"
    REFUSE = "the record that is at fault becomes a dead letter"
    STOP = "the pipeline stops and says why"
    UNKNOWN = "repeated a few times; then the pipeline stops and says so"


class Answer(NamedTuple):
    """An error code: its name in Kafka, what is done about it, and what a person has to know."""

    name: str
    course: Course = Course.UNKNOWN
    advice: str = ""


_R, _N, _S, _F, _X = Course.RETRY, Course.RENEW, Course.SPLIT, Course.REFUSE, Course.STOP

_CLOCK = (
    "the topic takes no records of this time: see the clock of this host, and message.timestamp.*.max.ms of the topic"
)
_WRITE = "the user of kafka.client may not write to it: grant WRITE"

ANSWERS: dict[int, Answer] = {
    -1: Answer("UNKNOWN_SERVER_ERROR"),
    2: Answer("CORRUPT_MESSAGE"),
    3: Answer("UNKNOWN_TOPIC_OR_PARTITION", _R, "the topic is gone, or not there yet"),
    5: Answer("LEADER_NOT_AVAILABLE", _R),
    6: Answer("NOT_LEADER_OR_FOLLOWER", _R),
    7: Answer("REQUEST_TIMED_OUT", _R, "the replicas did not follow in time"),
    8: Answer("BROKER_NOT_AVAILABLE", _R),
    9: Answer("REPLICA_NOT_AVAILABLE", _R),
    10: Answer("MESSAGE_TOO_LARGE", _S, "more than max.message.bytes of the topic"),
    12: Answer("OFFSET_METADATA_TOO_LARGE", _X, "the brokers have a smaller offset.metadata.max.bytes than 4096"),
    13: Answer("NETWORK_EXCEPTION", _R),
    14: Answer("COORDINATOR_LOAD_IN_PROGRESS", _R),
    15: Answer("COORDINATOR_NOT_AVAILABLE", _R),
    16: Answer("NOT_COORDINATOR", _R),
    17: Answer("INVALID_TOPIC_EXCEPTION", _X, "no records may be written to this topic"),
    18: Answer("RECORD_LIST_TOO_LARGE", _S, "more than segment.bytes of the topic"),
    19: Answer("NOT_ENOUGH_REPLICAS", _R, "fewer replicas are in sync than min.insync.replicas of the topic"),
    20: Answer(
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND", _R, "fewer replicas are in sync than min.insync.replicas of the topic"
    ),
    21: Answer("INVALID_REQUIRED_ACKS", _X, "the brokers do not take acks=all, without which records may be lost"),
    22: Answer("ILLEGAL_GENERATION", _N),
    25: Answer("UNKNOWN_MEMBER_ID", _N),
    27: Answer("REBALANCE_IN_PROGRESS", _N),
    29: Answer("TOPIC_AUTHORIZATION_FAILED", _X, _WRITE),
    30: Answer("GROUP_AUTHORIZATION_FAILED", _X, "the user of kafka.client may not use the group: grant READ"),
    31: Answer(
        "CLUSTER_AUTHORIZATION_FAILED",
        _X,
        "the user of kafka.client may not write idempotently: grant IDEMPOTENT_WRITE",
    ),
    32: Answer("INVALID_TIMESTAMP", _X, _CLOCK),
    35: Answer("UNSUPPORTED_VERSION", _X, "the brokers are too old for idempotent and transactional producers"),
    37: Answer("INVALID_PARTITIONS", _N),
    42: Answer("INVALID_REQUEST", _X, "the brokers do not understand what is asked"),
    43: Answer("UNSUPPORTED_FOR_MESSAGE_FORMAT", _X, "the topic has a message.format.version older than headers"),
    44: Answer("POLICY_VIOLATION", _F, "a policy of the cluster does not allow it"),
    45: Answer("OUT_OF_ORDER_SEQUENCE_NUMBER", _N),
    46: Answer("DUPLICATE_SEQUENCE_NUMBER", _R, "it is there already"),
    47: Answer("INVALID_PRODUCER_EPOCH", _N, "another member has taken the partition over"),
    48: Answer("INVALID_TXN_STATE", _N),
    49: Answer("INVALID_PRODUCER_ID_MAPPING", _N),
    50: Answer(
        "INVALID_TRANSACTION_TIMEOUT",
        _X,
        "transaction.max.timeout.ms of the brokers is less than the 10 s of a transaction",
    ),
    51: Answer("CONCURRENT_TRANSACTIONS", _R),
    52: Answer("TRANSACTION_COORDINATOR_FENCED", _N),
    53: Answer(
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        _X,
        "the user of kafka.client may not use it: grant WRITE on transactional ids express-*",
    ),
    54: Answer("SECURITY_DISABLED", _X, "the brokers have no authorizer"),
    55: Answer("OPERATION_NOT_ATTEMPTED", _N),
    56: Answer("KAFKA_STORAGE_ERROR", _R, "the disk of the leader has failed"),
    58: Answer("SASL_AUTHENTICATION_FAILED", _X, "the login is not taken any more"),
    59: Answer("UNKNOWN_PRODUCER_ID", _N),
    74: Answer("FENCED_LEADER_EPOCH", _R),
    75: Answer("UNKNOWN_LEADER_EPOCH", _R),
    76: Answer(
        "UNSUPPORTED_COMPRESSION_TYPE", _X, "the brokers do not know the codec of kafka.client.compression_type"
    ),
    77: Answer("STALE_BROKER_EPOCH", _R),
    78: Answer("OFFSET_NOT_AVAILABLE", _R),
    80: Answer("PREFERRED_LEADER_NOT_AVAILABLE", _R),
    82: Answer("FENCED_INSTANCE_ID", _X, "another member has the same group_instance_id"),
    84: Answer("ELECTION_NOT_NEEDED", _R),
    87: Answer(
        "INVALID_RECORD", _F, "the topic takes no such record: a compacted one, for example, none without a key"
    ),
    88: Answer("UNSTABLE_OFFSET_COMMIT", _R),
    89: Answer("THROTTLING_QUOTA_EXCEEDED", _R),
    90: Answer("PRODUCER_FENCED", _N, "another member has taken the partition over"),
    106: Answer("FETCH_SESSION_TOPIC_ID_ERROR", _R),
    107: Answer("INELIGIBLE_REPLICA", _R),
    120: Answer("TRANSACTION_ABORTABLE", _N),
    123: Answer("REBOOTSTRAP_REQUIRED", _N),
}
"""By code. What is not here is not an answer to a write, and UNKNOWN if it should be one all the same."""

FENCED = (47, 90)
"""A new owner does that to the old one; it says nothing of what was written."""


def answer_of(code: int) -> Answer:
    """Return what an error code means for a write.

    >>> answer_of(10).course.name, answer_of(9_999).name
    ('SPLIT', 'ERROR_9999')
    """
    return ANSWERS.get(code) or Answer(f"ERROR_{code}")


def code_in(error: BaseException | None) -> int | None:
    """The error code that an exception, or one that it comes from, has from a broker; None where there is none."""
    for found in _chain(error):
        if isinstance(found, ProducerFenced):
            return FENCED[1]
        if isinstance(found, BrokerResponseError):
            return int(found.errno)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


@contextlib.contextmanager
def judged() -> Iterator[None]:
    """Raise PipelineStopped for what a broker has answered and will answer again, and note the error's name else."""
    try:
        yield
    except (SinkError, SourceError) as error:
        code = code_in(error)
        if code is None or error.refusal:
            raise
        answer = answer_of(code)
        if answer.course is Course.STOP:
            raise PipelineStopped(_sentence(error, answer)) from error
        if answer.course is not Course.RETRY and code not in FENCED:
            error.refusal = _sentence(error, answer)
        raise


def _sentence(error: Exception, answer: Answer) -> str:
    text = str(error).partition(": [Error")[0]
    return f"{text}: {answer.name}" + (f", {answer.advice}" if answer.advice else "")
