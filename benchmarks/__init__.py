"""Benchmarks of `express`: like with like in one run, ratios before absolute figures."""
