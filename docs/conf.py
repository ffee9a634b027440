"""How Sphinx makes the site: `make docs` builds it into site/, and warnings are errors.

The source folder is the root of the repository, so that every link between pages holds in the site
as it does on GitHub. Nothing in a built page is loaded from another host.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.errors import ExtensionError
from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx

    from rightreasons.core.registry import Component, Registry

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

project = "Right Reasons"
html_title = project
root_doc = "README"
include_patterns = ["*.md", "docs/**", "config/README.md", "results/README.md"]
exclude_patterns = ["**/.*", "data", "results/*/**", "site", "src", "tests", "*.egg-info"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

html_theme = "furo"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_math_renderer = "mathml"
pygments_style = "friendly"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

highlight_language = "none"
default_role = "code"  # `x` in a docstring
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
suppress_warnings = ["ref.python"]  # two classes of one name in different packages
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_google_docstring = False
napoleon_use_rtype = False
NAVIGATION = {
    "Start": ["Home <self>", "docs/tutorial", "docs/first_steps"],
    "How to": [
        "docs/howto",
        "docs/questions",
        "docs/audit",
        "docs/foreign_models",
        "docs/adding",
        "docs/plugins",
        "docs/tuning",
        "docs/cluster",
        "docs/gpus",
    ],
    "Reference": [
        "config/README",
        "docs/datasets",
        "docs/artifacts",
        "docs/methods",
        "docs/explainers",
        "docs/probes",
        "docs/metrics",
        "docs/statistics",
        "results/README",
        "docs/performance",
    ],
    "Results": [
        "docs/celeba_10k",
        "docs/data_attribution",
        "docs/watermark",
        "docs/yardstick",
        "docs/yardstick_networks",
        "docs/accessories",
    ],
    "The suite itself": [
        "docs/architecture",
        "docs/decisions",
        "docs/api/index",
        "CHANGELOG",
        "CONTRIBUTING",
    ],
}
REDIRECT = '<!doctype html><meta http-equiv="refresh" content="0; url=README.html">\n'
LOADED = re.compile(
    r'<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)="((?:https?:)?//[^"]*)"'
)
PARAMETERS = re.compile(r"^:param ([^:]+):", re.M)
BAR = re.compile(r"(?<!`)\|(?=(?:[^`]*`[^`]*`)*[^`]*$)")  # outside of `code`

SIMPLE = re.compile(r"[^\n\\`]*")
NOT_SHOWN = re.compile(r"\.(_|test_|conftest)")
COMMENTS: dict[str, list[str]] = {}

log = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Connect what follows."""
    app.connect("builder-inited", write_reference)
    app.connect("source-read", add_navigation)
    app.connect("autodoc-skip-member", skip)
    docstring = "autodoc-process-docstring"  # napoleon's priority is 500
    app.connect(docstring, describe_fields, priority=400)
    app.connect(docstring, plain_bars, priority=410)
    app.connect(docstring, hide_comment, priority=420)
    app.connect(docstring, hide_comment, priority=800)
    app.connect(docstring, check_parameters, priority=900)
    app.connect("autodoc-process-signature", hide_fields)
    app.connect("build-finished", finish)
    app.add_html_math_renderer("mathml", (draw, None), (draw, None))


def add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    """Give the first page the list of all others, which GitHub need not show."""
    if page == root_doc:
        for caption, pages in NAVIGATION.items():
            listed = "\n".join([f":caption: {caption}", ":hidden:", "", *pages])
            source[0] += f"\n\n```{{toctree}}\n{listed}\n```\n"


def draw(writer: Any, node: nodes.Element) -> None:
    """Write a formula as MathML, which browsers draw without a script."""
    kind = "block" if isinstance(node, nodes.math_block) else "inline"
    formula = convert(node.astext(), display=kind).replace("&#x029F5;", "&#x02216;")
    if "\\" in formula:
        log.warning("a formula that cannot be drawn: %s", node.astext(), location=node)
    writer.body.append(formula)
    raise nodes.SkipNode


def finish(app: Sphinx, error: Exception | None) -> None:
    """Send index.html to the first page; refuse pages that load anything from another host."""
    if error is not None:
        return
    out = Path(app.outdir)
    (out / "index.html").write_text(REDIRECT)
    for page in out.rglob("*.html"):
        if found := LOADED.findall(page.read_text()):
            raise ExtensionError(f"{page.relative_to(out)} loads {', '.join(found)}")


# The API reference: a page for each package, written into docs/api/ before Sphinx reads it.


def write_reference(app: Sphinx) -> None:
    """Write a page for each package of the library, and their index."""
    folder = ROOT / "docs/api"
    folder.mkdir(exist_ok=True)
    inside = pkgutil.iter_modules([str(ROOT / "src/rightreasons")])
    names = [module.name for module in inside if not module.name.startswith("_")]
    pages = {name: package_page(f"rightreasons.{name}") for name in names}
    pages["index"] = headed("API reference", "=") + listed(names)
    for old in folder.glob("*.rst"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def package_page(name: str) -> str:
    """Return a package's page: its components, then what is public in it and its modules."""
    from rightreasons.core.registry import Registry

    package = importlib.import_module(name)
    inside = pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}.")
    public = [module.name for module in inside if not NOT_SHOWN.search(module.name)]
    registries = [found for found in list(vars(package).values()) if isinstance(found, Registry)]
    return "\n".join(
        [
            headed(name, "="),
            f".. automodule:: {name}\n",
            *(components(found) for found in registries if found.package == name),
            *(headed(module, "-") + f".. automodule:: {module}\n" for module in public),
        ]
    )


def headed(title: str, line: str) -> str:
    """Return a heading of reStructuredText."""
    return f"{title}\n{line * len(title)}\n\n"


def listed(names: list[str]) -> str:
    """Return a table of contents."""
    return ".. toctree::\n   :maxdepth: 1\n\n" + "".join(f"   {name}\n" for name in names)


def components(registry: Registry) -> str:
    """Return a table of what is registered."""
    rows = [("name", "title", "source", "traits")]
    for part in registry:
        rows.append((f"`{part.name}`", part.title, part.paper, own_traits(part, registry)))
    table = "".join("   * - " + "\n     - ".join(row) + "\n" for row in rows)
    return f".. list-table:: Every {registry.noun} built in\n   :header-rows: 1\n\n{table}"


def own_traits(component: Component, registry: Registry) -> str:
    """Return the traits in which a component differs from its registry's defaults.

    Long ones, such as captions, are left out, and formulas.
    """
    own = {
        name: value
        for name, value in component.traits.items()
        if value != registry.traits.get(name) and isinstance(value, str | int | float | tuple)
    }
    shown = [f"{name}: {value}" for name, value in own.items()]
    return ", ".join(f"`{text}`" for text in shown if len(text) <= 60 and SIMPLE.fullmatch(text))


def is_section(found: object) -> bool:
    """Return whether `found` is a class whose fields are keys of the config."""
    from pydantic import BaseModel

    return isinstance(found, type) and issubclass(found, BaseModel)


def skip(app: Sphinx, what: str, name: str, found: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out the settings of pydantic's classes, and what a module only imports.

    What a package exports from a private module of its own is documented with the package.
    """
    page = app.env.current_document.autodoc_module
    home = getattr(found, "__module__", page)
    exported = name in getattr(sys.modules.get(page), "__all__", ()) and "._" in home
    imported = what == "module" and home != page and not exported
    return True if imported or name == "model_config" else None


def plain_bars(
    app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]
) -> None:
    """Let |x| be the size of x, as in the formulas, and no substitution of reStructuredText."""
    lines[:] = [BAR.sub(r"\|", line) for line in lines]


def hide_comment(
    app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]
) -> None:
    """Take away a constant's comment before napoleon, and give it back afterwards.

    Napoleon takes what lies before a colon for a type.
    """
    if what in ("data", "attribute"):
        lines[:], COMMENTS[name] = COMMENTS.pop(name, []), list(lines)


def describe_fields(
    app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]
) -> None:
    """Add to a part of the config a section with its fields."""
    if is_section(found) and found.model_fields:
        lines += ["", "Parameters", "----------"]
        for key, field in found.model_fields.items():
            default = field.get_default(call_default_factory=True)
            given = "required" if field.is_required() else f"default `{default!r}`"
            lines += [f"{key} : {given}", f"    {field.description or ''}"]


def check_parameters(
    app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]
) -> None:
    """Warn of parameters that a docstring describes and the signature does not have."""
    entries = PARAMETERS.findall("\n".join(lines))
    described = {part.strip("* \\") for entry in entries for part in entry.split(",")}
    if not described or is_section(found):
        return
    if unknown := sorted(described - set(inspect.signature(found).parameters)):
        log.warning("%s has no parameter %s", name, ", ".join(unknown))


def hide_fields(
    app: Sphinx, what: str, name: str, found: Any, options: Any, signature: str, returned: str
) -> tuple[str, str] | None:
    """Leave out the signature of a part of the config: its fields are described below it."""
    return ("", "") if is_section(found) else None
