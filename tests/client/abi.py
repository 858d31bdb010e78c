"""What the headers declare, what the map lists and what the shared library exports must be one set.

abi.py libjetplane.so jetplane.map header..."""
import re
import subprocess
import sys

library, version_map, *headers = sys.argv[1:]


def declared(text):
    """The functions of a header, without its function types."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"typedef[^;{]*;", "", text)
    return set(re.findall(r"\b(jp_\w+)\(", text))


def exported():
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    return {line.split()[-1] for line in lines if line.split()[-2] in "TDBRW"}


names = set().union(*(declared(open(h).read()) for h in headers))
current, listed = None, {}
for line in open(version_map):
    if m := re.match(r"(JETPLANE_\S+) \{", line):
        current = m[1]
    elif m := re.match(r"\s+(jp_\w+);", line):
        listed[m[1]] = current
with_version = {f"{name}@@{version}" for name, version in listed.items()}
faults = [f"declared but not in the map: {sorted(names - set(listed))}"] * bool(names - set(listed))
faults += [f"in the map but not declared: {sorted(set(listed) - names)}"] * bool(set(listed) - names)
difference = with_version ^ exported()
faults += [f"exported and listed differ: {sorted(difference)}"] * bool(difference)
sys.exit("\n".join(faults) or 0)
