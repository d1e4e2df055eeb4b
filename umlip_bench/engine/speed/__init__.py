"""Timing the engine against the libraries' own ASE calculators, in one run on one machine.

Machines differ and drift, so the figure is a ratio: both sides do the same work on the same
structures in turn, several times over, and must come to the same end. Neighbour lists count on both
sides.
"""
