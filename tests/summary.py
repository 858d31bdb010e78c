"""Add up what the suites left in a results folder (JUnit files, and `checks` with a line each); names what failed, says
why tests were skipped, and closes with the one line that counts."""

import pathlib
import sys
import xml.etree.ElementTree as xml


def cases(path):
    for case in xml.parse(path).iter("testcase"):
        name = f"{path.stem}: {case.get('classname', '')} {case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, "failed", ""
        elif (skipped := case.find("skipped")) is not None:
            yield name, "skipped", skipped.get("message") or ""
        else:
            yield name, "passed", ""


def checks(path):
    for line in path.read_text().splitlines():
        name, outcome = line.rsplit(" ", 1)
        yield name, outcome, ""


def main(folder):
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".xml":
            found += cases(path)
        elif path.name == "checks":
            found += checks(path)
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for name, outcome, why in found:
        count[outcome] += 1
        if outcome != "passed":
            print(f"{outcome}: {name}" + (f" ({why})" if why else ""))
    line = f"{count['passed']} passed, {count['failed']} failed"
    print(line + (f", {count['skipped']} skipped" if count["skipped"] else ""))
    return 1 if count["failed"] or not count["passed"] else 0


sys.exit(main(pathlib.Path(sys.argv[1])))
