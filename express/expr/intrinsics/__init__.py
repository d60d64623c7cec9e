"""Intrinsic functions of the States Language: syntax, arguments, functions."""
