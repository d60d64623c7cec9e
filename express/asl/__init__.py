"""The Amazon States Language as text and data: scan, lint, model, decode, resources."""
