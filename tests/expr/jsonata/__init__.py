"""Tests of `express.expr.jsonata`."""
