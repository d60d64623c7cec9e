"""What the broker does on each request: one plain function per API, `(node, request, call) -> answer`."""
