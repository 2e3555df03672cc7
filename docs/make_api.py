"""Write the reference of public names, ``docs/api/*.md``, from the docstrings in the code.

    python docs/make_api.py

One page for the library's face (``import lusifer``) and one for each package, with what its ``__all__`` names. Nothing
is imported: the files are parsed, so that a page is the same on every machine.
"""

from __future__ import annotations

import ast
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "api"
FACE = "lusifer.api"
PACKAGES = (
    "lusifer.datasets",
    "lusifer.baselines",
    "lusifer.llm",
    "lusifer.prompts",
    "lusifer.simulator",
    "lusifer.evaluation",
    "lusifer.runs",
    "lusifer.env",
)
Definition = ast.ClassDef | ast.FunctionDef


@dataclass(frozen=True)
class Module:
    """A parsed module: its name and its syntax tree."""

    name: str
    tree: ast.Module

    @classmethod
    def read(cls, name: str) -> Module:
        """Parse the file of a module or package."""
        path = ROOT.joinpath(*name.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        return cls(name, ast.parse(file.read_text(encoding="utf-8")))

    def public_names(self) -> list[str]:
        """What ``__all__`` lists, else the public classes and functions of the module itself."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                return sorted(ast.literal_eval(node.value), key=str.lower)
        return [n.name for n in self.tree.body if isinstance(n, Definition) and not n.name.startswith("_")]

    def find(self, name: str) -> tuple[str, Definition] | None:
        """The module that defines a name and its definition; ``None`` for constants and modules."""
        for node in self.tree.body:
            if isinstance(node, Definition) and node.name == name:
                return self.name, node
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lusifer"):
                for alias in node.names:
                    if (alias.asname or alias.name) == name and node.module != self.name:
                        path = ROOT.joinpath(*node.module.split("."), f"{alias.name}.py")
                        return None if path.is_file() else Module.read(node.module).find(alias.name)
        return None


def describe(node: ast.AST) -> str:
    """A docstring with its sections (Args, Returns, Raises, Example) as bold headings over plain blocks."""
    text = inspect.cleandoc(ast.get_docstring(node) or "")  # type: ignore[arg-type]
    lines: list[str] = []
    code = False
    for line in text.splitlines():
        if line in {"Args:", "Returns:", "Yields:", "Raises:", "Attributes:", "Example:", "Examples:"}:
            lines += ["```", ""] if code else []
            lines += [f"**{line[:-1]}**", "", "```text" if not line.startswith("Example") else "```python"]
            code = True
        elif code and line and not line.startswith(" "):
            lines += ["```", "", line]
            code = False
        elif not (code and not line and lines[-1].startswith("```")):
            lines.append(line.removeprefix("    ") if code else line)
    if code:
        while not lines[-1]:
            lines.pop()
        lines.append("```")
    return "\n".join(lines).replace("\n\n```\n", "\n```\n").strip()


def list_parameters(arguments: ast.arguments) -> list[str]:
    """The parameters of a function as they are written in its signature."""
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    pairs = list(zip(positional, [*defaults, *arguments.defaults], strict=True))
    parts = [ast.unparse(a) + (f" = {ast.unparse(d)}" if d else "") for a, d in pairs]
    if arguments.vararg:
        parts.append(f"*{ast.unparse(arguments.vararg)}")
    elif arguments.kwonlyargs:
        parts.append("*")
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    parts += [ast.unparse(a) + (f" = {ast.unparse(d)}" if d else "") for a, d in keywords]
    return parts + ([f"**{ast.unparse(arguments.kwarg)}"] if arguments.kwarg else [])


def sign(node: ast.FunctionDef, *, method: bool = False) -> str:
    """A function's signature; a long one has a line for each parameter."""
    parameters = list_parameters(node.args)
    if method and parameters[:1] in (["self"], ["cls"]):
        parameters = parameters[1:]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    whole = f"{node.name}({', '.join(parameters)}){returns}"
    return (
        whole if len(whole) <= 100 else "\n".join([f"{node.name}(", *(f"    {p}," for p in parameters), f"){returns}"])
    )


def render(module: str, node: Definition) -> list[str]:
    """The section of one class or function."""
    lines = [f"## `{node.name}`", "", f"From `{module}`.", ""]
    if isinstance(node, ast.FunctionDef):
        return [*lines, "```python", sign(node), "```", "", describe(node), ""]
    lines += [describe(node), ""]
    for member in node.body:
        if not isinstance(member, ast.FunctionDef) or member.name.startswith("_"):
            continue
        decorators = {ast.unparse(d) for d in member.decorator_list}
        if decorators & {"property", "cached_property"}:
            returns = f": {ast.unparse(member.returns)}" if member.returns else ""
            lines += [f"### `{node.name}.{member.name}{returns}`", ""]
        else:
            lines += [f"### `{node.name}.{member.name}`", "", "```python", sign(member, method=True), "```", ""]
        lines += [describe(member), ""]
    return lines


def make_page(name: str) -> str:
    """The page of a module or package."""
    module = Module.read(name)
    title = "lusifer" if name == FACE else name
    lines = [f"# `{title}`", "", "<!-- made by docs/make_api.py: change the docstrings, not this file -->", ""]
    lines += [describe(module.tree), ""]
    for public in module.public_names():
        if found := module.find(public):
            lines += render(*found)
    return "\n".join(lines).rstrip() + "\n"


def make_pages() -> dict[str, str]:
    """All pages by file name, the table of contents among them."""
    pages = {f"{'lusifer' if n == FACE else n.removeprefix('lusifer.')}.md": make_page(n) for n in (FACE, *PACKAGES)}
    lines = ["# Reference", "", "<!-- made by docs/make_api.py -->", "", "From the docstrings in the code.", ""]
    for name in (FACE, *PACKAGES):
        file = "lusifer.md" if name == FACE else f"{name.removeprefix('lusifer.')}.md"
        summary = (ast.get_docstring(Module.read(name).tree) or "").split("\n")[0]
        lines.append(f"- [`{'lusifer' if name == FACE else name}`]({file}): {summary}")
    return {"README.md": "\n".join(lines) + "\n", **pages}


def main() -> int:
    """Write the pages, and remove those that are not made any more."""
    OUT.mkdir(exist_ok=True)
    pages = make_pages()
    for old in OUT.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (OUT / name).write_text(text, encoding="utf-8")
    print(f"{len(pages)} pages in {OUT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
