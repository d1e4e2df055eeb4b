"""The report: one self-contained HTML page of any number of run folders, and its figures for print.

`gather` reads runs into `content` (plain data), `charts` draws it, `page` and `figures` write it.
"""
