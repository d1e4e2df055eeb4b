"""Kernels in C for models on a CPU, compiled when they are first needed, and the same in torch.

What one kernel does takes torch a dozen operations, each of which reads and writes all rows of memory.
Where there is no compiler, everything is done in torch.
"""
