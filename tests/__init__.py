"""Tests of the package; each process computes on one thread."""

import os

# In this process and in those that tests start: the cells are so small that more threads are slower,
# above all beside the other workers of pytest-xdist. Read when torch is imported, which is later.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
