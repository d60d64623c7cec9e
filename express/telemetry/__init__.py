"""Everything that an operator sees: execution logs, metrics and the server that exposes them."""
