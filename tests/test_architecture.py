"""Walls that stand: who may import whom, one place for each thing, readable sizes. Failures name offenders."""

import ast
import re
import statistics
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(
    path
    for folder in ("providers", "spot", "spot_project", "standins")
    for path in (ROOT / folder).rglob("*.py")
    if not {"migrations", "node_modules"} & set(path.parts)
)
#: These rooms are pure as a whole; elsewhere a module is that says so in its docstring.
PURE_ROOMS = ("spot/query/", "spot/feeds/", "spot/dialects/", "providers/protocols/")
#: The rooms of `spot/`, from the lowest floor to the highest: none imports one above it.
FLOORS = (
    "codes", "metrics", "signs", "tidying", "database_trouble", "query", "feeds", "dialects", "snapshots", "clients",
    "hub", "ingest", "alerts", "endpoints", "server", "web", "processes", "checks", "doctor", "rescue", "apps",
    "templatetags", "management",
)  # fmt: skip
#: Where the environment is read.
READERS = {"spot_project/settings.py", "spot_project/environment.py"}
ENTRY_POINTS = {"spot_project/asgi.py", "spot_project/celery.py", "manage.py"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(path: Path) -> frozenset[str]:
    """Every module a file imports, at its top or inside a function."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or node.module is None, f"{name_of(path)}: relative import"
            names.update({node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)})
    return frozenset(names)


@cache
def strings(path: Path) -> tuple[str, ...]:
    """Every string of a file that is not a docstring."""
    tree = tree_of(path)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return tuple(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    )


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


# --- who may import whom ----------------------------------------------------------------------------------------------


def test_providers_know_nothing_of_spot() -> None:
    offenders = [
        name_of(path)
        for path in SOURCES
        if name_of(path).startswith("providers/") and roots(path) & {"spot", "spot_project"}
    ]
    assert not offenders


def test_nothing_imports_the_wiring() -> None:
    wiring = ("spot_project.settings", "spot_project.asgi", "spot_project.celery", "spot_project.urls")
    allowed = {"spot_project/settings.py"}
    offenders = {
        name_of(path): names
        for path in SOURCES
        if name_of(path) not in allowed and (names := {n for n in imported(path) if n.startswith(wiring)})
    }
    offenders = {
        name: names for name, names in offenders.items() if not name.startswith(("spot/server/", "spot/management/"))
    }
    assert not offenders


def is_pure(path: Path) -> bool:
    """Whether a module is one of those that do no input and no output."""
    return name_of(path).startswith(PURE_ROOMS) or bool(
        re.search(r"\bPure\b[.;:]", ast.get_docstring(tree_of(path)) or "")
    )


PURE = [path for path in SOURCES if is_pure(path)]


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_the_core_is_pure(path: Path) -> None:
    forbidden = {
        "django",
        "channels",
        "redis",
        "asyncio",
        "celery",
        "asgiref",
        "requests",
        "socket",
        "threading",
        "os",
        "time",
        "random",
    }
    assert not roots(path) & forbidden
    pure = {name_of(module) for module in PURE}
    ours = {f"{name.replace('.', '/')}.py" for name in imported(path) if name.startswith(("spot.", "providers."))}
    assert not {module for module in ours if (ROOT / module).exists()} - pure


def test_no_room_imports_one_above_it() -> None:
    upward = set()
    for path in SOURCES:
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] != "spot" or parts == ("spot", "__init__"):
            continue
        below = {*FLOORS[: FLOORS.index(parts[1]) + 1]}
        rooms = {name.split(".")[1] for name in imported(path) if name.startswith("spot.")}
        upward |= {f"{name_of(path)} imports spot.{room}" for room in rooms - below}
    assert not upward


def test_sockets_reach_no_database_and_no_store() -> None:
    for name in ("spot/web/consumers.py", "spot/web/connection.py", "spot/web/gate.py"):
        assert not {
            one for one in imported(ROOT / name) if one.startswith(("django.db", "redis", "channels.db", "providers."))
        }, name
    assert not list((ROOT / "spot").glob("models*"))


# --- one place for each thing -----------------------------------------------------------------------------------------


def test_only_the_store_knows_a_key_of_the_store() -> None:
    others = "(alerts|budget|breaker|celery|client|doubts|identity|ledger|metrics|stream):|signin|(workers?|beats)?$"
    key = re.compile(rf"^spot:(?!{others})")
    offenders = {
        name_of(path): found
        for path in SOURCES
        if path.parent.name != "snapshots" and (found := [one for one in strings(path) if key.match(one)])
    }
    assert not offenders


def test_only_the_budget_knows_a_key_of_the_budget() -> None:
    offenders = [
        name_of(path)
        for path in SOURCES
        if name_of(path) != "providers/budget.py" and any(one.startswith("spot:budget:") for one in strings(path))
    ]
    assert not offenders


def test_only_the_settings_read_the_environment() -> None:
    offenders = {
        name_of(path): found
        for path in SOURCES
        if name_of(path) not in ENTRY_POINTS | READERS
        and (found := re.findall(r"os\.environ\.?\w*|os\.getenv|getenv\(", path.read_text(encoding="utf-8")))
    }
    supervisor = "spot/processes/supervisor.py"
    for name in [name for name in offenders if name.startswith("spot/management/commands/") or name == supervisor]:
        # A supervisor hands its environment on to its children; it reads nothing out of it.
        text = (ROOT / name).read_text(encoding="utf-8")
        if not re.search(r"os\.environ(\.get\(|\[)|getenv", text):
            del offenders[name]
    assert not offenders


def test_entry_points_only_name_the_settings() -> None:
    for name in ENTRY_POINTS:
        lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if "environ" in line]
        assert all("DJANGO_SETTINGS_MODULE" in line for line in lines), name


def test_only_one_function_talks_to_the_outside() -> None:
    users = {
        name_of(path)
        for path in SOURCES
        if roots(path) & {"requests", "httpx", "aiohttp", "urllib3"} or "urllib.request" in imported(path)
    }
    # The second makes the connections of the first, and sends nothing.
    allowed = {"providers/client.py", "providers/deadlines.py"}
    assert {name for name in users if not name.startswith("providers/sandbox/")} <= allowed


def test_a_process_that_serves_no_language_model_imports_no_protocol_of_theirs() -> None:
    """The package costs 50 MB and a second."""
    users = {name_of(path) for path in SOURCES if roots(path) & {"mcp", "mcp_types", "starlette", "pydantic"}}
    assert users == {"spot/web/mcp_server.py"}
    assert not [name_of(path) for path in SOURCES if "spot.web.mcp_server" in imported(path)]


@pytest.mark.parametrize(
    ("package", "module"), [("sentry_sdk", "spot_project/error_reports.py"), ("opentelemetry", "providers/tracing.py")]
)
def test_what_reports_and_traces_take_is_imported_by_who_has_them(package: str, module: str) -> None:
    """Some 20 MB each."""
    assert {name_of(path) for path in SOURCES if package in roots(path)} == {module}
    at_the_top = [node for node in tree_of(ROOT / module).body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert package not in ast.unparse(ast.Module(at_the_top, []))


def test_no_providers_name_stands_in_shared_code() -> None:
    adapters = ROOT / "providers" / "adapters"
    names = [path.stem for path in adapters.glob("*.py") if path.stem not in ("__init__", "sandbox")]
    assert names
    word = re.compile("|".join(names), re.IGNORECASE)
    offenders = {}
    for path in SOURCES:
        name = name_of(path)
        if (
            name.startswith(
                ("providers/adapters/", "providers/protocols/", "providers/sandbox/", "standins/", "spot/dialects/")
            )
            or name == "spot_project/settings.py"
        ):
            continue
        code = [one for one in strings(path) if word.search(one)]
        code += [node.id for node in ast.walk(tree_of(path)) if isinstance(node, ast.Name) and word.search(node.id)]
        if code:
            offenders[name] = code
    assert not offenders


def test_random_and_pickle_stay_out() -> None:
    offenders = [name_of(path) for path in SOURCES if roots(path) & {"pickle", "marshal", "shelve"}]
    assert not offenders


def test_there_is_no_drawer_for_odds_and_ends() -> None:
    odd = {"utils", "helpers", "constants", "services", "managers", "misc", "common"}
    assert not [name_of(path) for path in SOURCES if path.stem in odd or set(path.parts) & odd]


# --- sizes ------------------------------------------------------------------------------------------------------------


def functions() -> list[tuple[int, str]]:
    """Each function's lines and its name, longest first."""
    found = [
        (node.end_lineno - node.lineno + 1, f"{name_of(path)}:{node.lineno} {node.name}")
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]
    return sorted(found, reverse=True)


def test_functions_stay_small() -> None:
    sizes = functions()
    lines = [size for size, _ in sizes]
    assert not [offender for offender in sizes if offender[0] > 80]
    assert statistics.median(lines) <= 10, sizes[: len(sizes) // 2]
    assert statistics.quantiles(lines, n=20, method="inclusive")[-1] <= 40, sizes[: len(sizes) // 20]


def test_files_stay_small() -> None:
    sizes = sorted(
        ((len(path.read_text(encoding="utf-8").splitlines()), name_of(path)) for path in SOURCES), reverse=True
    )
    assert not [offender for offender in sizes if offender[0] > 500]
    assert statistics.quantiles([size for size, _ in sizes], n=20, method="inclusive")[-1] <= 350, sizes[:8]


def test_no_debris_is_left_in_the_code() -> None:
    debris = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|breakpoint\(\)|pdb\.set_trace")
    assert not {name_of(path): found for path in SOURCES if (found := debris.findall(path.read_text(encoding="utf-8")))}


def test_broad_catches_stand_only_in_outermost_loops() -> None:
    outermost = {
        "spot/hub/hub.py",
        "spot/server/frames.py",
        "spot/processes/forking.py",
        "spot/snapshots/nudges.py",
        "spot/web/consumers.py",
        "spot/web/http.py",
        "spot/ingest/tasks.py",
        "spot/alerts/tasks.py",
        "providers/streams/worker.py",
        "spot/clients/desk.py",
    }
    offenders = [
        f"{name_of(path)}:{node.lineno}"
        for path in SOURCES
        if name_of(path) not in outermost
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
    ]
    assert not offenders
