"""Other Pythons in which a potential lives: environment files, their builds, and the worker inside.

Plumbing: nothing here knows what is computed.
"""
