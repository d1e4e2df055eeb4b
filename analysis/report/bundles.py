"""The libraries that the page carries with it: Vega-Lite for plots, DataTables for tables."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def plots() -> str:
    """A JavaScript module with Vega, Vega-Lite and Vega-Embed; sets ``window.vegaEmbed``."""
    import altair
    import vl_convert

    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)
    return script


@cache
def tables() -> tuple[str, str]:
    """DataTables: a JavaScript module whose default export it is, and its style sheet."""
    folder = files("itables") / "html"
    script = (folder / "dt_bundle.js").read_text(encoding="utf-8")
    return script, (folder / "dt_bundle.css").read_text(encoding="utf-8")
