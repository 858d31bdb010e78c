"""Every test that docs/testing.md and docs/threat-model.md name is there: a file below tests/, or a name in one of them."""

import fnmatch
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).parent
DOCS = TESTS.parent / "docs"
PAGES = ("testing.md", "threat-model.md")
FILES = [path for path in TESTS.rglob("*") if path.suffix in (".c", ".h", ".py", ".build")]
WORDS = set(re.findall(r"\w+", "\n".join(path.read_text() for path in FILES))) | {path.stem for path in FILES}
SCRIPTS = {f"scripts/{path.name}" for path in (TESTS.parent / "scripts").iterdir()}


def shown_by(page):
    """The names in a table's second last column, line by line."""
    for number, line in enumerate((DOCS / page).read_text().splitlines(), 1):
        cells = line.split("|")
        if len(cells) == 5 and set(cells[1].strip()) != {"-"}:
            for name in re.findall(r"`(\w[^`]*)`", cells[PAGES.index(page) + 2]):
                yield f"docs/{page}:{number}", name


def is_there(name):
    name = name.split("[")[0]  # a case of several
    if name in SCRIPTS or (TESTS / name).exists() or fnmatch.filter(WORDS, name):
        return True
    return set(name.split("-")) <= WORDS  # meson's names of suites: dp-drops


missing = [f"{where}: no test is called {name}" for page in PAGES for where, name in shown_by(page) if not is_there(name)]
print("\n".join(missing), end="\n" if missing else "")
sys.exit(1 if missing else 0)
