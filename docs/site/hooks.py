"""What the site adds to the pages in docs/: a page a machine, the files above, the reference of Python names.

mkdocs calls the functions below by their names.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]  # mkdocs loads this file alone

import machine_page  # noqa: E402

from dataflows.registry import machines  # noqa: E402

# Files above docs/ that are pages here.
PAPERS = {"README.md": "index.md", "DEVIATIONS.md": "deviations.md", "CHANGELOG.md": "changelog.md"}
API = """# Python

The front door is `import prunesim`; what is behind it lies in three packages.

::: prunesim

::: workloads.workload.Workload

::: dataflows.accelerator.Accelerator

::: simulator.reports.report.NetworkReport
"""
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s:]*)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Every machine has its place in the table of contents."""
    pages = [{_display(name): f"machines/{name}.md"} for name in machines()]
    for part in config["nav"]:
        if "Machines" in part:
            part["Machines"] = pages
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made of something else than a file in docs/."""
    for source, page in PAPERS.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    files.append(File.generated(config, "api.md", content=API))
    for name, chosen in machines().items():
        files.append(File.generated(config, f"machines/{name}.md", content=machine_page.markdown(chosen)))
        files.append(File.generated(config, f"machines/{name}.svg", content=machine_page.picture(chosen)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links to where pages stand here; what is no page of the site is named, not linked."""
    here = page.file.src_uri
    source = next((path for path, name in PAPERS.items() if name == here), f"docs/{here}")
    return _LINK.sub(lambda found: _led(found, source, here), markdown)


def _led(found: re.Match[str], source: str, here: str) -> str:
    mark, text, target, anchor = found.group(1), found.group(2), found.group(3), found.group(4) or ""
    if not target or here.startswith("machines/"):
        return found.group(0)
    path = (ROOT / source).parent.joinpath(target).resolve()
    if not path.is_relative_to(ROOT):
        return text
    inside = path.relative_to(ROOT).as_posix()
    page = PAPERS.get(inside) or (inside.removeprefix("docs/") if inside.startswith("docs/") and path.is_file() else "")
    return f"{mark}[{text}]({page}{anchor})" if page else text if text.strip("`") == inside else f"{text} (`{inside}`)"


def _display(name: str) -> str:
    return machines()[name].display or name
