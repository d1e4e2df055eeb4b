"""Attacks on purpose; what each shows is in docs/explanation/reliability.md. All of them: `make attack`."""
