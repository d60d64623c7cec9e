"""JSONPath and reference paths: parsed, compiled, selected within a budget."""
