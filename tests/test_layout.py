"""The shape of the source tree: same furniture in every room, doors used instead of windows, folders where the plan puts them."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
ROOMS_DIR = SRC / "keepwell" / "domains"
MODULE_NAMES = ("models", "rules", "store", "service", "routes", "jobs", "cli", "errors")
FURNITURE = {"__init__.py", "queries.sql"} | {f"{name}.py" for name in MODULE_NAMES} | set(MODULE_NAMES)
COMPOSED_BY_MAIN = {"routes", "service", "cli", "jobs", "errors"}
MODULES = sorted(SRC.rglob("*.py"))


def rooms() -> list[str]:
    return sorted(path.name for path in ROOMS_DIR.iterdir() if path.is_dir() and path.name != "__pycache__")


def module_name(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path) -> Iterator[str]:
    """Every module named by an import; `from a import b` gives both `a` and `a.b`, since b may be a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("room", rooms())
def test_a_room_holds_only_the_furniture(room: str):
    """Larger pieces of furniture may become a folder of the same name, nothing else."""
    found = {path.name for path in (ROOMS_DIR / room).iterdir() if path.name != "__pycache__"}
    assert found <= FURNITURE, f"{room} holds {sorted(found - FURNITURE)}; see CONTRIBUTING.md for where things go"
    assert "__init__.py" in found


@pytest.mark.parametrize("room", rooms())
def test_a_room_says_in_one_line_what_it_is_for(room: str):
    tree = ast.parse((ROOMS_DIR / room / "__init__.py").read_text(encoding="utf-8"))
    assert (ast.get_docstring(tree) or "").strip(), f"{room}/__init__.py has no docstring"


def test_every_store_is_protected_by_a_contract():
    contracts = tomllib.loads((SRC.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    guarded = {module for contract in contracts for module in contract.get("protected_modules", ())}
    stores = {f"keepwell.domains.{path.parent.name}.store" for path in ROOMS_DIR.glob("*/store*")}
    assert stores <= guarded, f"add a contract to pyproject.toml for {sorted(stores - guarded)}"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_rooms_are_entered_by_their_door(path: Path):
    """Another room comes in by the `__init__`; main may also take what it composes; a store is its room's own."""
    here = module_name(path)
    for target in imported_modules(path):
        parts = target.split(".")
        if parts[:2] != ["keepwell", "domains"] or len(parts) < 4:
            continue
        room, inner = parts[2], parts[3]
        if not (ROOMS_DIR / room / f"{inner}.py").exists() and not (ROOMS_DIR / room / inner).is_dir():
            continue
        own = here == f"keepwell.domains.{room}" or here.startswith(f"keepwell.domains.{room}.")
        composed = here.startswith("keepwell.main") and inner in COMPOSED_BY_MAIN
        assert own or composed, f"{here} imports {target}: go through keepwell.domains.{room}"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_no_file_outgrows_its_reader(path: Path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_no_function_outgrows_its_reader(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 70, f"{node.name} is longer than 70 lines"


def test_tests_stand_where_their_source_stands():
    tests = SRC.parent / "tests"
    folders = {path.relative_to(tests) for path in tests.rglob("*") if path.is_dir() and any(path.glob("test_*.py"))}
    known = {Path(), *map(Path, ("bench", "canaries", "chaos", "contracts", "docs", "journeys", "migrations"))}
    strangers = {folder for folder in folders - known if not (SRC / "keepwell" / folder).is_dir()}
    assert not strangers, f"no source folder for {sorted(map(str, strangers))}"


def test_time_is_read_in_one_place():
    """Everything else is handed a clock, so that tests can move it."""
    readers = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time"}
    for path in MODULES:
        if module_name(path) == "keepwell.kit.time":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in readers, f"{module_name(path)}:{node.lineno} reads the machine's clock"
