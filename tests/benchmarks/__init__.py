"""Tests of the benchmarks' own rules; nothing here looks at a clock."""
