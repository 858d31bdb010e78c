"""Draws the columns of a soak's CSV over time, as PNG files."""

import subprocess

# file: title and panels, each with its axis, the beginnings of its columns' names and what they are divided by
PLOTS = {
    "memory": ("memory and descriptors", [("resident, MiB", ("rss_kib.",), 1024), ("descriptors", ("fds.",), 1)]),
    "sessions": ("sessions and packet buffers", [
        ("sessions", ("sessions", "sessions_full", "known", "tcp"), 1), ("mbufs in use", ("mbufs",), 1)]),
    "traffic": ("rates and round trips", [
        ("Mbit/s", ("rx_mbit", "tx_mbit", "delivered_mbit"), 1),
        ("light, us", ("light_p50_us", "light_p99_us"), 1), ("full over the bad wire, ms", ("full_p50_ms", "full_p99_ms"), 1)]),
    "drops": ("packets dropped", [("packets so far", ("drop.",), 1)]),
}
LOG = ("light, us", "full over the bad wire, ms", "packets so far", "resident, MiB")


def panel(csv, columns, label, names, divisor):
    """`columns`: name -> its values, of what the CSV has. Those that are never above 0 are left out."""
    chosen = [name for name in columns
              if any(name == n or n.endswith(".") and name.startswith(n) for n in names) and any(columns[name])]
    if not chosen:
        return ""
    places = list(columns)
    curves = ", ".join(
        f'"{csv}" every ::1 using ($1/60):(${places.index(name) + 1}/{divisor}) with lines lw 1.5 '
        f'title "{name.split(".")[-1]}"' for name in chosen)
    scale = "set logscale y\nset yrange [*:*]" if label in LOG else "unset logscale y\nset yrange [0:*]"
    return f'{scale}\nset ylabel "{label}"\nplot {curves}\n'


def draw(csv, rows, folder):
    """Returns the files."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    files = []
    for name, (title, panels) in PLOTS.items():
        files.append(folder / f"{name}.png")
        script = (
            f'set terminal png size 1000,{300 * len(panels) + 40} noenhanced\nset output "{files[-1]}"\n'
            'set datafile separator ","\nset grid\nset key outside right top\nset xlabel "minutes"\n'
            f'set multiplot layout {len(panels)},1 title "{title}"\n'
            + "".join(panel(csv, columns, *about) for about in panels) + "unset multiplot\n"
        )
        subprocess.run(["gnuplot"], input=script, text=True, check=True, stderr=subprocess.PIPE)
    return files
