"""The process that evaluates a potential in a Python of its own, and the frames it is talked to in.

This folder runs in any environment from Python 3.9 on, made a package there by its ``__main__``: it imports
nothing of ours but itself, and needs numpy and ase there (torch-sim for what is built on it). Nothing else
has to be installed for the talking, so frames are JSON and raw bytes rather than msgpack; and nothing is ever
unpickled, on neither side::

    uint32 length of what follows | uint32 length of the header | header | arrays, one after another

The header is a JSON object in UTF-8, whose ``arrays`` says name, type and shape of each array; all numbers
are little-endian. Requests name what is wanted in ``request``:

``hello``
    Loads the environment file; answers with what came of it: versions, ``mode`` (``loop`` over an ASE
    calculator, or ``batch`` for a torch-sim model), elements, files of weights with their sha256.
``evaluate``
    Arrays ``counts`` (B,), ``numbers`` (N,), ``positions`` (N, 3), ``cells`` (B, 3, 3), ``pbc`` (B, 3);
    answers with ``energies`` (B,), ``forces`` (N, 3), ``stresses`` (B, 3, 3), in eV and Å with ASE's sign.
    What could not be had is nan; ``errors`` says of which structure and why.
``stop``
    Ends the process, as the end of its standard input does.

An answer with ``error`` (``type`` and ``text``) is that of a request that failed as a whole.
"""
