"""Results go to a partition that their topic has."""

from __future__ import annotations

from aiokafka import TopicPartition

from express.ports import Partition
from express.sinks.batches import Routes


def test_a_partition_that_was_just_added_to_the_input_goes_by_key() -> None:
    """While the counts that are known say that input and output have as many: the output has no such partition."""
    routes = Routes()
    routes.learn("in", 2)
    routes.learn("out", 2)

    assert routes.fixed("out", Partition("in", 1)) == TopicPartition("out", 1)
    assert routes.fixed("out", Partition("in", 4)) is None
    assert routes.target("out", Partition("in", 4), b"k").partition < 2
    assert routes.target("out", Partition("in", 5), None) == TopicPartition("out", 1)
