"""How much memory processes have, and the machine."""

import pathlib
import re


def memory(pid):
    """Bytes of RAM a process holds, huge pages included."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}
    return 1024 * (kilobytes["Rss"] + kilobytes["Private_Hugetlb"] + kilobytes["Shared_Hugetlb"])


def free_memory():
    text = pathlib.Path("/proc/meminfo").read_text()
    return 1024 * int(re.search(r"MemAvailable:\s+(\d+)", text)[1])
