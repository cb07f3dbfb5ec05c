"""Put the modules of the agent together to the one file that users copy to their boards.

    python firmware/micropython/assemble.py          writes `mqtt_ota.py`
    python firmware/micropython/assemble.py --check  says whether it is what the modules make

Nothing is rewritten: the modules follow one another, with the standard library's imports in one place and those of each
other left out. Needs Python 3.10 and nothing else.
"""

import ast
from pathlib import Path
import sys

HERE = Path(__file__).parent
TARGET = HERE / "mqtt_ota.py"
# In the order in which they need one another.
MODULES = (
    *("texts", "frames", "signature", "offers", "release"),
    *("files", "journal", "slot"),
    *("link", "pull", "updater", "agent"),
)
FIRST_LINE = "# Put together by assemble.py from the modules in agent/: change those, never this file.\n"


class Module:
    """One module, taken apart: its docstring, what it imports, the names it defines, and everything else."""

    def __init__(self, path: Path) -> None:
        """Read it."""
        text = path.read_text()
        tree = ast.parse(text)
        lines = text.splitlines()
        self.docstring = ast.get_docstring(tree) or ""
        self.imports: set[str] = set()
        self.neighbours: set[str] = set()
        self.names: set[str] = set()
        for node in tree.body:
            if node is not tree.body[0] and not isinstance(node, ast.Import | ast.ImportFrom):
                self.names |= _names_of(node)
                continue
            if isinstance(node, ast.Import):
                self.imports |= {f"import {name.name}" for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                self.neighbours.add(node.module or "")
            lines[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or 0) - node.lineno + 1)
        self.body = "\n".join(lines).strip("\n")


def _names_of(node: ast.stmt) -> set[str]:
    """Return the names that a statement defines for the whole module."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return names | {one.name for one in ast.walk(node) if isinstance(one, ast.alias)}


def assemble(folder: Path) -> str:
    """Return the one file; ValueError where the modules do not fit together."""
    if set(MODULES) != {path.stem for path in folder.glob("*.py")} - {"__init__"}:
        raise ValueError(f"{folder} does not hold the modules {', '.join(MODULES)}")
    imports: set[str] = set()
    names: set[str] = set()
    before: set[str] = set()
    sections = []
    for stem in MODULES:
        module = Module(folder / f"{stem}.py")
        if names & module.names or not module.neighbours <= before:
            raise ValueError(
                f"{stem} defines {names & module.names} again, or needs {module.neighbours - before} before it"
            )
        imports |= module.imports
        names |= module.names
        before.add(stem)
        space = "\n\n\n" if module.body.startswith(("class ", "def ")) else "\n\n"
        sections.append(f"# ---- {module.docstring.removesuffix('.')}{space}{module.body}\n")
    head = f'{FIRST_LINE}"""{Module(folder / "__init__.py").docstring}\n"""\n\n' + "\n".join(sorted(imports))
    return f"{head}\n\n" + "\n\n".join(sections)


def main() -> None:
    """Write the file, or check it."""
    text = assemble(HERE / "agent")
    if sys.argv[1:] != ["--check"]:
        TARGET.write_text(text)
    elif TARGET.read_text() != text:
        sys.exit(f"{TARGET} is not what the modules make: run {Path(__file__).name}")


if __name__ == "__main__":
    main()
