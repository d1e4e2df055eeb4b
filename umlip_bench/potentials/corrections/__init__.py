"""Corrected models: what was done to a parent, the folder that says so, and how it is evaluated."""
