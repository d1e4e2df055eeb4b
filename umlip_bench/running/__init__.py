"""Runs: which cases of which suites with which models, and the folder that keeps what came out."""
