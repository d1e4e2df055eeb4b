"""One module per family of potentials: how its library's trained modules are run in batches."""
