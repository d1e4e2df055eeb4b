"""Results in, numbers, tables and figures out; nothing here imports torch."""
