"""The rules of the architecture, each a function over a package's folder.

A rule gives the list of what breaks it, a line each, empty when nothing does; so it can be shown
to fail on a small broken package as well as to hold on ours.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEVELS = (
    "version",
    "errors",
    "endpoints",
    "limits",
    "events",
    "visible",
    "logs",
    "framing",
    "net",
    "recording",
    "tls",
    "service",
    "rooms",
    "models",
    "admission",
    "server",
    "workers",
    "metrics",
    "client",
    "http",
    "fetching",
    "serving",
    "testing",
    "services",
    "tools",
    "board",
    "cli",
)
"""A module imports from its own level and from those before it in this list, nothing else."""

MOST_LINES = 500

SOCKET_LEVELS = {"net", "tools"}
SOCKET_MODULES = {"socket", "_socket", "socketserver"}
OS_ERRORS = {"OSError", "IOError", "EnvironmentError", "socket.error", "select.error", "os.error"}

THIRD_PARTY = {
    "tls": {"cryptography"},
    "framing": {"httptools", "websockets"},
    "net": {"websockets"},
    "fetching": {"brotli", "zstandard"},
    "testing": {"pytest"},
    "services": {"blake3", "prompt_toolkit"},
    "tools": {"dns", "idna"},
    "board": {"apsw", "segno", "zeroconf"},
    "cli": {"click"},
    "__main__": {"click"},
}
"""What a level may import beside the standard library."""

USED_ONCE = {"uvloop"}
"""What one single file may import, whichever it is."""


class Import(NamedTuple):
    """One import statement's arrow: to a dotted name, from a line."""

    target: str
    line: int
    at_load: bool
    """Whether importing the module runs it: neither in a function nor under TYPE_CHECKING."""


@dataclass(frozen=True)
class Module:
    """One source file."""

    name: str
    path: Path
    tree: ast.Module
    lines: int

    @property
    def level(self) -> str:
        """The level's name: what comes after the package's."""
        return level_of(self.name)


def level_of(name: str) -> str:
    """Give the level of a dotted name: "" for the package itself."""
    return name.partition(".")[2].partition(".")[0]


def read_package(folder: Path) -> dict[str, Module]:
    """Parse every file of the package in `folder`, by dotted name."""
    modules = {}
    for path in sorted(folder.rglob("*.py")):
        parts = [folder.name, *path.relative_to(folder).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        name = ".".join(parts)
        modules[name] = _parsed(name, path, path.read_text(encoding="utf-8"))
    return modules


@cache
def _parsed(name: str, path: Path, text: str) -> Module:
    """Parse a file; once, however many rules are applied to it."""
    return Module(name, path, ast.parse(text, str(path)), len(text.splitlines()))


def imports_of(module: Module) -> Iterator[Import]:
    """Find every import: of the module, of its functions, and those for type checking alone."""
    yield from _imports_in(module, module.tree, at_load=True)


def _imports_in(module: Module, node: ast.AST, *, at_load: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = at_load and not (
            isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
        )
        for target in _targets(module, child):
            yield Import(target, child.lineno, inside)  # type: ignore[attr-defined]  # a statement
        yield from _imports_in(module, child, at_load=inside)


def _targets(module: Module, node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=source, names=names, level=dots):
            base = source or ""
            if dots:
                package = module.name.split(".")
                if module.path.name != "__init__.py":
                    package.pop()
                package = package[: len(package) - (dots - 1)]
                base = ".".join([*package, source] if source else package)
            return [f"{base}.{alias.name}" for alias in names]
        case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]) if ast.unparse(
            func
        ).rpartition(".")[2] in {"import_module", "__import__"}:
            return [name]
        case _:
            return []


def arrows(modules: dict[str, Module], module: Module) -> Iterator[tuple[Module, Import]]:
    """Find the imports that stay inside the package, each with the file it leads to."""
    for found in imports_of(module):
        within = found.target.rpartition(".")[0]  # where the target is a name in a module
        target = modules.get(found.target) or modules.get(within)
        if target:
            yield target, found


def wrong_arrows(folder: Path) -> list[str]:
    """An import leads to the same level or to one above it in LEVELS.

    The package itself and its __main__ stand below all others and may import anything. Imports
    for type checking and those inside functions count like any other.
    """
    modules = read_package(folder)
    rank = {level: number for number, level in enumerate(LEVELS)}
    rank |= {"": len(LEVELS), "__main__": len(LEVELS)}
    wrong = [
        f"{module.name}: no level is called {module.level!r}: give it a place in LEVELS"
        for module in modules.values()
        if module.level not in rank
    ]
    if wrong:
        return wrong
    return [
        f"{module.name}:{found.line} imports {target.name}: {module.level or folder.name} stands"
        f" above {target.level or folder.name} and may not know it"
        for module in modules.values()
        for target, found in arrows(modules, module)
        if rank[target.level] > rank[module.level]
    ]


def import_cycles(folder: Path) -> list[str]:
    """No file leads back to itself by imports, wherever in the files they stand."""
    modules = read_package(folder)
    graph = {
        name: {target.name for target, _ in arrows(modules, module)}
        for name, module in modules.items()
    }
    cycles = []
    cleared: set[str] = set()
    for start in graph:
        way = _way_back(graph, start, cleared)
        if way:
            cycles.append(" -> ".join(way))
            cleared |= set(way)
        cleared.add(start)  # each further cycle leads round it
    return cycles


def _way_back(graph: dict[str, set[str]], start: str, cleared: set[str]) -> list[str]:
    """Find a way from `start` to itself past what is `cleared`: empty when there is none."""
    ways = [[start]]
    seen = set(cleared)
    while ways:
        way = ways.pop()
        for target in sorted(graph[way[-1]]):
            if target == start:
                return [*way, start]
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return []


def long_files(folder: Path) -> list[str]:
    """A source file stays within MOST_LINES."""
    return [
        f"{module.name} has {module.lines} lines; {MOST_LINES} is the most"
        for module in read_package(folder).values()
        if module.lines > MOST_LINES
    ]


def stray_sockets(folder: Path) -> list[str]:
    """Nothing but net/ and tools/ imports a socket module or catches OSError.

    A subclass of OSError with a meaning of its own (FileNotFoundError) may be caught anywhere.
    """
    wrong = []
    for module in read_package(folder).values():
        if module.level in SOCKET_LEVELS:
            continue
        wrong += [
            f"{module.name}:{found.line} imports {found.target}"
            for found in imports_of(module)
            if found.target.partition(".")[0] in SOCKET_MODULES
        ]
        wrong += [
            f"{module.name}:{line} catches {name}"
            for line, name in _caught(module.tree)
            if name in OS_ERRORS
        ]
    return wrong


def _caught(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Find the name of each exception class that is caught or suppressed."""
    for node in ast.walk(tree):
        match node:
            case ast.ExceptHandler(type=ast.expr() as caught):
                classes = [caught]
            case ast.Call(func=func, args=classes) if ast.unparse(func).endswith("suppress"):
                pass
            case _:
                continue
        for one in classes:
            for name in one.elts if isinstance(one, ast.Tuple) else [one]:
                yield name.lineno, ast.unparse(name)


def stray_packages(folder: Path) -> list[str]:
    """A level imports the standard library, and what THIRD_PARTY grants it.

    What stands in USED_ONCE may be imported by one file in all.
    """
    wrong = []
    users: dict[str, set[str]] = {}
    for module in read_package(folder).values():
        for found in imports_of(module):
            name = found.target.partition(".")[0]
            if name in sys.stdlib_module_names or name == folder.name:
                continue
            if name in USED_ONCE:
                users.setdefault(name, set()).add(module.name)
            elif name not in THIRD_PARTY.get(module.level, ()):
                wrong.append(f"{module.name}:{found.line} imports {name}, a third party's")
    return wrong + [
        f"{name} is imported by {' and '.join(sorted(files))}: one place is enough"
        for name, files in users.items()
        if len(files) > 1
    ]


def private_names(folder: Path) -> list[str]:
    """What the package itself loads at once is public; anything else it loads when asked for."""
    modules = read_package(folder)
    root = modules[folder.name]
    return [
        f"{root.name}:{found.line} loads {target.name}, which is private"
        for target, found in arrows(modules, root)
        if found.at_load and any(part.startswith("_") for part in target.name.split("."))
    ]


def bare_methods(folder: Path) -> list[str]:
    """A public method of a public class has a docstring, or a base class that has one for it.

    A base class from elsewhere (the standard library's) is taken to have one.
    """
    found = [
        (module, node)
        for module in read_package(folder).values()
        for node in module.tree.body
        if isinstance(node, ast.ClassDef)
    ]
    known = {node.name: node for _, node in found}
    return [
        f"{module.name}:{method.lineno} {node.name}.{method.name} has no docstring"
        for module, node in found
        for method in node.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and not method.name.startswith("_")
        and not _is_overload_or_setter(method)
        and not _documented(known, node, method.name)
    ]


def _is_overload_or_setter(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = [ast.unparse(decorator) for decorator in method.decorator_list]
    return any(name.endswith(("overload", ".setter", ".deleter")) for name in names)


def _documented(known: dict[str, ast.ClassDef], node: ast.ClassDef, method: str) -> bool:
    for part in node.body:
        if (
            isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
            and part.name == method
            and ast.get_docstring(part)
        ):
            return True
    bases = [ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases]
    return any(
        _documented(known, known[base], method)
        if base in known
        else base not in {"ABC", "Generic", "NamedTuple", "Protocol"}
        for base in bases
    )
