"""Continuous batching: measurements are generators, the engine fills the model's calls."""
