"""Answers of the broker to each request: one plain function per API, `(node, request, call) -> answer`."""
