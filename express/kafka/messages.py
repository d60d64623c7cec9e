"""Requests that aiokafka 0.14 does not know: what became of a transaction, and what of it is still open.

DescribeTransactions and DescribeProducers (KIP-664, Kafka 3.0), and OffsetFetch in the version that says whether a
position waits for the end of a transaction (KIP-447, Kafka 2.5). A broker whose answer to ApiVersions does not have
them is not asked: sending raises one of UNKNOWN. ApiVersions in the version that tells features, too (KIP-584).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from io import BytesIO

from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import Request, RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

TOPICS = CompactArray(("topic", CompactString()), ("partitions", CompactArray(Int32)), ("tags", TaggedFields))

UNKNOWN = (IncompatibleBrokerVersion, NotImplementedError)
"""Errors that aiokafka raises instead of sending a request, or a version of it, that the broker does not know."""

Named = Sequence[tuple[str, Collection[int], Mapping[int, bytes]]]
"""Topics with their partitions, as TOPICS writes them."""


def named(partitions: Collection[tuple[str, int]]) -> Named:
    """Group partitions by topic, in the form of TOPICS."""
    topics: dict[str, list[int]] = {}
    for topic, number in sorted(partitions):
        topics.setdefault(topic, []).append(number)
    return [(topic, numbers, {}) for topic, numbers in topics.items()]


class DescribeTransactionsResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    """Answer of a coordinator about transactional ids."""

    API_KEY = 65
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "transactions",
            CompactArray(
                ("error_code", Int16),
                ("transactional_id", CompactString()),
                ("state", CompactString()),
                ("timeout_ms", Int32),
                ("start_time_ms", Int64),
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                ("topics", TOPICS),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeTransactionsStruct(RequestStruct):  # type: ignore[misc]
    """DescribeTransactions, version 0."""

    API_KEY = 65
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = DescribeTransactionsResponse
    SCHEMA = Schema(("transactional_ids", CompactArray(CompactString())), ("tags", TaggedFields))


class DescribeTransactions(Request[DescribeTransactionsStruct]):  # type: ignore[misc]
    """Ask the coordinator of a transactional id in which state its transaction is."""

    API_KEY = 65

    def __init__(self, transactional_id: str) -> None:
        self._transactional_id = transactional_id

    def build(self, request_struct_class: type[DescribeTransactionsStruct]) -> DescribeTransactionsStruct:
        """The request."""
        return request_struct_class([self._transactional_id], {})


class DescribeProducersResponse(Response):  # type: ignore[misc]
    """The producers that partitions know, each with the first offset of its open transaction, or -1."""

    API_KEY = 61
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", CompactString()),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("error_message", CompactString()),
                        (
                            "producers",
                            CompactArray(
                                ("producer_id", Int64),
                                ("producer_epoch", Int32),
                                ("last_sequence", Int32),
                                ("last_timestamp", Int64),
                                ("coordinator_epoch", Int32),
                                ("open_since_offset", Int64),
                                ("tags", TaggedFields),
                            ),
                        ),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeProducersStruct(RequestStruct):  # type: ignore[misc]
    """DescribeProducers, version 0."""

    API_KEY = 61
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = DescribeProducersResponse
    SCHEMA = Schema(("topics", TOPICS), ("tags", TaggedFields))


class DescribeProducers(Request[DescribeProducersStruct]):  # type: ignore[misc]
    """Ask the leader of partitions which producers have written there."""

    API_KEY = 61

    def __init__(self, partitions: Collection[tuple[str, int]]) -> None:
        self._partitions = partitions

    def build(self, request_struct_class: type[DescribeProducersStruct]) -> DescribeProducersStruct:
        """The request."""
        return request_struct_class(named(self._partitions), {})


class StableOffsetFetchResponse(Response):  # type: ignore[misc]
    """Committed positions, or the error that one waits for the end of a transaction."""

    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", CompactString()),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", CompactString()),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class StableOffsetFetchStruct(RequestStruct):  # type: ignore[misc]
    """OffsetFetch, version 7."""

    API_KEY = 9
    API_VERSION = 7
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = StableOffsetFetchResponse
    SCHEMA = Schema(
        ("group_id", CompactString()),
        ("topics", TOPICS),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class StableOffsetFetch(Request[StableOffsetFetchStruct]):  # type: ignore[misc]
    """Ask the coordinator of a group for positions that no transaction may change any more."""

    API_KEY = 9

    def __init__(self, group: str, partitions: Collection[tuple[str, int]]) -> None:
        self._group = group
        self._partitions = partitions

    def build(self, request_struct_class: type[StableOffsetFetchStruct]) -> StableOffsetFetchStruct:
        """The request."""
        return request_struct_class(self._group, named(self._partitions), True, {})


FEATURES = CompactArray(("name", CompactString()), ("min", Int16), ("max", Int16), ("tags", TaggedFields))
"""Supported features, as they stand in a tagged field of the answer to ApiVersions."""

SUPPORTED_FEATURES = 0


class FeaturesResponse(Response):  # type: ignore[misc]
    """The APIs that a broker knows, and in tagged fields its features (KIP-584)."""

    API_KEY = 18
    API_VERSION = 3
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "apis",
            CompactArray(("api_key", Int16), ("min_version", Int16), ("max_version", Int16), ("tags", TaggedFields)),
        ),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )


class FeaturesStruct(RequestStruct):  # type: ignore[misc]
    """ApiVersions, version 3."""

    API_KEY = 18
    API_VERSION = 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = FeaturesResponse
    SCHEMA = Schema(("name", CompactString()), ("version", CompactString()), ("tags", TaggedFields))

    def parse_response_header(self, read_buffer: BytesIO | bytes) -> ResponseHeader_v0:
        """Read the header, which is the old one here, so that clients can read it whatever the broker knows."""
        return ResponseHeader_v0.decode(read_buffer)


class Features(Request[FeaturesStruct]):  # type: ignore[misc]
    """Ask a broker for its features."""

    API_KEY = 18

    def build(self, request_struct_class: type[FeaturesStruct]) -> FeaturesStruct:
        """The request."""
        return request_struct_class("express", "1", {})


def supported(answer: FeaturesResponse) -> dict[str, int]:
    """The newest version of each feature that the broker supports."""
    encoded = answer.tags.get(SUPPORTED_FEATURES)
    return {name: newest for name, _, newest, _ in FEATURES.decode(BytesIO(encoded))} if encoded else {}
