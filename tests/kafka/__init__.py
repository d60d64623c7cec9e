"""Kafka for tests: fixtures, a real Apache Kafka, and the list of checks that both brokers pass."""
