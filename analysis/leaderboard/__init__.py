"""The leaderboard: a static site of any number of run folders, potentials by suites.

`gather` reads runs into `content` (plain data), `site` writes it. Nothing on it needs a server, and without
JavaScript its tables stand as they are.
"""
