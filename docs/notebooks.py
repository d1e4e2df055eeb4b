"""The tutorials: notebooks, executed when the site is built, and what the site shows of them.

    python docs/notebooks.py

executes them too, and keeps the outputs in the notebooks themselves, where repositories show them.
"""

from __future__ import annotations

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from nbconvert.filters import strip_ansi

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

TUTORIALS = Path(__file__).parent / "tutorials"
AT_ONCE = 2
"""Notebooks, of one thread each."""
TIME_LIMIT = 300
"""Seconds of a cell."""
NOTEBOOK = re.compile(r"\]\(([\w./-]+)\.ipynb\)")
"""End of a link to one."""
SURROUNDINGS = {"OMP_NUM_THREADS": "1", "COLUMNS": "80", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}

_shown_as_stored = False


def on_startup(command: str, dirty: bool) -> None:
    """While pages are being written (``mkdocs serve``) the stored outputs will do."""
    global _shown_as_stored
    _shown_as_stored = command == "serve"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page and its pictures for each notebook."""
    from mkdocs.structure.files import File

    paths = notebooks()
    found = map(read, paths) if _shown_as_stored else executed(paths)
    for path, notebook in zip(paths, found, strict=True):
        pictures = f"{path.stem}_files"
        text, resources = MarkdownExporter().from_notebook_node(
            notebook, {"output_files_dir": pictures, "unique_key": path.stem}
        )
        # Without a class the theme scrolls a table where there is no room for it.
        text = text.replace('<table border="1" class="dataframe">', "<table>")
        text = f"{as_pages(text)}\n[This page as a notebook]({path.name})\n"
        page = File.generated(config, f"tutorials/{path.stem}.md", content=text)
        files.append(page)
        for name, content in resources["outputs"].items():
            files.append(File.generated(config, f"tutorials/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Links to notebooks, which repositories show, become links to their pages."""
    return markdown if page.file.src_uri.startswith("tutorials/") else as_pages(markdown)


def as_pages(text: str) -> str:
    """A text whose links to notebooks lead to their pages."""
    return NOTEBOOK.sub(r"](\1.md)", text)


def notebooks() -> list[Path]:
    """All tutorials."""
    return sorted(TUTORIALS.glob("*.ipynb"))


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook as it is stored."""
    return nbformat.read(path, as_version=4)


def executed(paths: list[Path]) -> list[nbformat.NotebookNode]:
    """The notebooks with outputs of now, in their order.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    """
    os.environ |= SURROUNDINGS
    # Commands in notebooks are those of this Python.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(_executed, paths))


def _executed(path: Path) -> nbformat.NotebookNode:
    """Each in an empty folder, as a new user's."""
    notebook = read(path)
    with TemporaryDirectory(prefix="umlip_bench-tutorial-") as folder:
        NotebookClient(
            notebook,
            timeout=TIME_LIMIT,
            coalesce_streams=True,
            # It would warn of its own sockets, which are on this machine.
            extra_arguments=["--log-level=40"],
            resources={"metadata": {"path": folder}},
        ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _is_shown(output)]
            for output in cell.outputs:
                if output.output_type == "stream":
                    output.text = strip_ansi(output.text)
                elif len(output.get("data", {})) > 1:
                    output.data.pop("text/plain", None)
    return notebook


def _is_shown(output: nbformat.NotebookNode) -> bool:
    """Progress and notes to the terminal are left out: they hold times and places of one machine."""
    return not (output.output_type == "stream" and output.name == "stderr")


def main() -> None:
    """Execute all and keep the outputs."""
    paths = notebooks()
    for path, notebook in zip(paths, executed(paths), strict=True):
        nbformat.write(notebook, path)
        print(path, f"{path.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
