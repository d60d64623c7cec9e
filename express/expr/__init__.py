"""Expressions of the States Language, compiled once: paths, templates, intrinsics, choices, JSONata."""
