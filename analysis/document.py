"""A short document of headings, paragraphs, lists and tables, written as Markdown or as a page of HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from umlip_bench.ground.outputs import GENERATOR


@dataclass(frozen=True)
class Paragraph:
    """Running text.

    Parameters
    ----------
    text
        Plain; nothing in it is markup.
    """

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list.

    Parameters
    ----------
    items
        Plain text each.
    """

    items: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A table.

    Parameters
    ----------
    columns
        Heads.
    rows
        Cells in plain text, as many in each as there are columns.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class CommandLine:
    """Something to type.

    Parameters
    ----------
    text
        One line.
    """

    text: str


Block = Paragraph | Bullets | Grid | CommandLine


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it.

    Parameters
    ----------
    title
        The heading.
    blocks
        In order.
    """

    title: str
    blocks: tuple[Block, ...]


def to_markdown(title: str, sections: Sequence[Section]) -> str:
    """The document in GitHub's Markdown, with a line break at its end."""
    parts = [f"# {_escaped(title)}"]
    for section in sections:
        parts.append(f"## {_escaped(section.title)}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def to_html(title: str, sections: Sequence[Section]) -> str:
    """The document as one page without outside requests; text is escaped."""
    from jinja2 import Environment

    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_PAGE)
    kinds = {Paragraph: "paragraph", Bullets: "bullets", Grid: "grid", CommandLine: "command"}
    content = [
        (section.title, [(kinds[type(block)], block) for block in section.blocks])
        for section in sections
    ]
    return page.render(title=title, sections=content, generator=GENERATOR)


def _block(block: Block) -> str:
    match block:
        case Paragraph(text):
            return _escaped(text)
        case Bullets(items):
            return "\n".join(f"- {_escaped(item)}" for item in items)
        case CommandLine(text):
            return f"```\n{text}\n```"
        case Grid(columns, rows):
            lines = [columns, ("---",) * len(columns), *(map(_escaped, row) for row in rows)]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    """Plain text for a line of Markdown or a cell of its tables; brackets of an interval stay as they are."""
    plain = re.sub(r"([\\`*|<_])", r"\\\1", " ".join(text.split()))
    return plain.replace("](", "]\\(")


_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="{{ generator }}">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; }
h2 { margin-top: 2rem; border-bottom: 1px solid GrayText; }
.table, pre { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; }
th { border-bottom: 1px solid GrayText; }
td { overflow-wrap: anywhere; min-width: 4rem; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% for heading, blocks in sections %}
<h2>{{ heading }}</h2>
{% for kind, block in blocks %}
{% if kind == "paragraph" %}
<p>{{ block.text }}</p>
{% elif kind == "command" %}
<pre>{{ block.text }}</pre>
{% elif kind == "bullets" %}
<ul>
{% for item in block["items"] %}
<li>{{ item }}</li>
{% endfor %}
</ul>
{% else %}
<div class="table">
<table>
<thead><tr>{% for column in block.columns %}<th>{{ column }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in block.rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
{% endif %}
{% endfor %}
{% endfor %}
</body>
</html>
"""
