"""Fault tests: real `express run` processes on a real Apache Kafka, broken in every way, and judged by a reader.

    python -m tests.faults [--only NAME…] [--trials N] [--seconds S] [--seed N] [--report FILE] [--list]

A trial feeds a topic, lets a fault happen meanwhile, waits until everything is committed and reads it all with the
logic of `express verify`. What is random is drawn from the seed of the trial, which the report tells.
"""
