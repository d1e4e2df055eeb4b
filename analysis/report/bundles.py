"""The libraries that the page carries with it: Vega-Lite for plots, DataTables for tables."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version as distribution_version
from importlib.resources import files

from umlip_bench.ground.store.remembered import remembered

EMBED = "window.vegaEmbed = vegaEmbed;"


@cache
def plots() -> str:
    """A JavaScript module with Vega, Vega-Lite and Vega-Embed; sets ``window.vegaEmbed``.

    Bundling takes two seconds, more than all else of a small report, and is done once for each version.
    """
    import altair
    import vl_convert

    bundler = distribution_version("vl-convert-python")
    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])

    def make() -> str:
        return str(vl_convert.javascript_bundle(EMBED, vl_version=version))

    return remembered("plots", f"{bundler} {version} {EMBED}", make)


@cache
def tables() -> tuple[str, str]:
    """DataTables: a JavaScript module whose default export it is, and its style sheet."""
    folder = files("itables") / "html"
    script = (folder / "dt_bundle.js").read_text(encoding="utf-8")
    return script, (folder / "dt_bundle.css").read_text(encoding="utf-8")
