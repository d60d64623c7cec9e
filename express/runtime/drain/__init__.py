"""Partitions: assignment, admission, offsets, group commit."""
