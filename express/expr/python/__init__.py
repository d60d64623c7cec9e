"""Expressions as Python text, for the optimized tier."""
