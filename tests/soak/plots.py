"""Draws the columns of a soak's CSV over time, as PNG files."""

import subprocess

from judge import warm_up

# file: title and panels, each with its axis, the beginnings of its columns' names and what they are divided by
PLOTS = {
    "memory": ("memory and descriptors", [
        ("resident, MiB", ("rss_kib.",), 1024), ("without pools, since the warm-up, MiB", ("own_kib.",), 1024),
        ("descriptors", ("fds.",), 1)]),
    "sessions": ("sessions, packet buffers and objects of pools", [
        ("sessions", ("sessions", "sessions_full", "known", "tcp"), 1), ("in use", ("mbufs", "pooled"), 1)]),
    "traffic": ("rates and round trips", [
        ("Mbit/s", ("rx_mbit", "tx_mbit", "delivered_mbit"), 1),
        ("light, ms", ("light_p50_us", "light_p99_us"), 1000), ("full, ms", ("full_p50_ms", "full_p99_ms"), 1)]),
    "drops": ("packets dropped", [("packets so far", ("drop.",), 1)]),
}
LOG = ("light, ms", "full, ms", "packets so far", "resident, MiB")
SINCE = "without pools, since the warm-up, MiB"
COLOURS = """1b6ca8 b5523b 3b8f4a 7a4fa3 c9a227 2f9e9e 8c564b 555555 e377c2 00b050 ff7f0e 17becf d62728 9edae5 c5b0d5 98df8a
ffbb78 aec7e8 000000 7f7f00""".split()


def curve(csv, place, base, divisor, number, title):
    style = f'lw 2 lc rgb "#{COLOURS[number % len(COLOURS)]}"'
    return f'"{csv}" every ::1 using ($1/60):((${place}-{base})/{divisor}) with lines {style} title "{title}"'


def panel(csv, columns, label, names, divisor):
    """`columns`: name -> its values. Those that are never above 0 are left out."""
    chosen = [name for name in columns
              if any(name == n or n.endswith(".") and name.startswith(n) for n in names) and any(columns[name])]
    if not chosen:
        return ""
    seconds = columns["seconds"]
    first = next((i for i, at in enumerate(seconds) if at >= warm_up(seconds[-1])), 0)
    places = list(columns)
    curves = ", ".join(
        curve(csv, places.index(name) + 1, columns[name][first] if label == SINCE else 0, divisor, number, name.split(".")[-1])
        for number, name in enumerate(chosen))
    scale = "set logscale y\nset yrange [*:*]" if label in LOG else "unset logscale y\nset yrange [*:*]"
    return f'{scale}\nset ylabel "{label}"\nplot {curves}\n'


def draw(csv, rows, folder):
    """Returns the files."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    files, minutes = [], rows[-1]["seconds"] / 60
    for name, (title, panels) in PLOTS.items():
        files.append(folder / f"{name}.png")
        height = 40 + 260 * len(panels) if len(panels) > 1 else 540
        script = (
            f'set terminal png size 1000,{height} noenhanced\nset output "{files[-1]}"\n'
            'set datafile separator ","\nset grid\nset key outside right top maxrows 30\nset xlabel "minutes"\n'
            f"set xrange [0:{minutes}]\nset lmargin 12\nset rmargin 24\n"
            f'set multiplot layout {len(panels)},1 title "{title}"\n'
            + "".join(panel(csv, columns, *about) for about in panels) + "unset multiplot\n"
        )
        subprocess.run(["gnuplot"], input=script, text=True, check=True, stderr=subprocess.PIPE)
    return files
