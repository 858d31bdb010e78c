"""Every test that docs/testing.md and docs/threat-model.md name is one: a file below tests/ or a script; a test program, as
its source or as meson calls it; a function that pytest or cmocka runs. What follows `FILE`: up to a semicolon is in it."""

import fnmatch
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).parent
DOCS = TESTS.parent / "docs"
PAGES = ("testing.md", "threat-model.md")
MESON = {"unit": "", "dataplane": "dp-", "sim": "sim_", "pktgen": "jetgen-", "client": "client_", "fuzz": "fuzz_"}
FUNCTION = {
    ".py": re.compile(r"^\s*def (test_\w+)\(", re.M),
    ".c": re.compile(r"\b(?:cmocka_unit_test(?:_setup|_teardown)*|CASE|\w*TEST)\(\s*(\w+)"),
}
FUNCTIONS = {path: set(FUNCTION[path.suffix].findall(path.read_text()))
             for path in TESTS.rglob("*") if path.suffix in FUNCTION}
SCRIPTS = {f"scripts/{path.name}" for path in (TESTS.parent / "scripts").iterdir()}


def programs():
    """What meson and pytest run."""
    for path in FUNCTIONS:
        kind, _, name = path.stem.partition("_")
        if path.suffix == ".py" and kind == "test":
            yield path.stem
        elif path.suffix == ".c" and kind in ("test", "fuzz") and path.parent.name in MESON:
            if re.search(rf"'{name}'", (path.parent / "meson.build").read_text()):
                yield from (path.stem, MESON[path.parent.name] + name)


def shown_by(page):
    """The names in a table's second last column, with the file that they are to be in, or None."""
    for number, line in enumerate((DOCS / page).read_text().splitlines(), 1):
        cells = line.split("|")
        if len(cells) != 5 or set(cells[1].strip()) == {"-"}:
            continue
        for part in cells[PAGES.index(page) + 2].split(";"):
            file = None
            for name, colon in re.findall(r"`(\w[^`]*)`(:?)", part):
                yield f"docs/{page}:{number}", name, file
                file = TESTS / name if colon and "." in name else file


PROGRAMS = set(programs())
EVERYWHERE = set().union(*FUNCTIONS.values())


def is_there(name, file):
    if file:
        return bool(fnmatch.filter(FUNCTIONS.get(file, ()), name))
    return (name in SCRIPTS or name in PROGRAMS or "." in name and (TESTS / name).exists()
            or bool(fnmatch.filter(EVERYWHERE, name)))


missing = [f"{where}: no test{f' of {file.name}' if file else ''} is called {name}"
           for page in PAGES for where, name, file in shown_by(page) if not is_there(name, file)]
print("\n".join(missing), end="\n" if missing else "")
sys.exit(1 if missing else 0)
