"""Draws the pictures of the README: `pictures.py RESULTS FOLDER`."""

import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "linx-netlink-port",
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#dddddd",
        "legend.frameon": False,
    }
)

from matplotlib import pyplot  # noqa: E402

# Name in the results, in words, colour.
WAYS = [
    ("otp", "OTP's netns option", "#117733"),
    ("echo", "an echo behind a GenServer", "#999999"),
    ("nif", "NIF", "#cc6677"),
    ("drop_in", "drop-in", "#0077bb"),
    ("open", "Linx.Netlink.Port.open/3", "#33bbee"),
    ("linx_nif", "Linx's Socket.open on the NIF", "#882255"),
    ("linx_drop_in", "Linx's Socket.open on the drop-in", "#44aa99"),
]
SLOW = [("exec", "ip netns exec NS true", "#ddaa33"), ("pyroute2", "pyroute2", "#000000")]


def latency(results, file):
    """One panel for each pause, on a quiet machine and on a busy one: a line from the middle to the slow
    ones, and each block's median."""
    columns = in_order(results["pauses"], "") + in_order(results["busy"], ",\non a busy machine")
    figure, panels = pyplot.subplots(1, len(columns), figsize=(13, 4), sharex=True, sharey=True)
    for axes, (title, measured) in zip(panels, columns):
        for row, (name, _words, colour) in enumerate(reversed(WAYS + SLOW)):
            if name in measured:
                way(axes, row, measured[name], colour)
        axes.set_title(title, size=10)
        axes.grid(axis="y", visible=False)
    panels[0].set_xscale("log")
    panels[0].set_yticks(range(len(WAYS + SLOW)), [words for _, words, _ in reversed(WAYS + SLOW)])
    panels[len(panels) // 2].set_xlabel("microseconds for one open")
    save(figure, file)


def in_order(pauses, where):
    """What was measured after each pause, with words for it."""
    in_words = lambda pause: "calls at once" if pause == "0" else f"{pause} ms before each call"
    return [(in_words(pause) + where, pauses[pause]) for pause in sorted(pauses, key=int)]


def way(axes, row, summary, colour):
    blocks = summary["blocks"]
    axes.plot([min(blocks), summary["p99"]], [row, row], color=colour, linewidth=1)
    axes.plot(blocks, [row] * len(blocks), "o", color=colour, markersize=4, alpha=0.4)
    # The labels of two levels that are close to each other would cover each other.
    sides = ["center"] if len(summary["levels"]) == 1 else ["right", "left"]
    for (time, _blocks), side in zip(summary["levels"], sides):
        axes.plot(time, row, "|", color=colour, markersize=14, markeredgewidth=2)
        label = f"{time:,.0f}"
        axes.annotate(label, (time, row), (0, 8), textcoords="offset points", size=7, ha=side)


def cost(results, file):
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(8, 3.5))
    curve(left, results["namespaces"], "network namespaces", "microseconds for one open")
    curve(right, results["callers"], "callers at a time", "opens a second")
    right.set_xticks([x for x, _y in results["callers"]["nif"]])
    right.xaxis.set_major_formatter("{x:.0f}")
    right.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    left.legend(loc="lower right")
    save(figure, file)


def curve(axes, curves, across, up):
    for name, words, colour in WAYS:
        if name in curves:
            axes.plot(*zip(*curves[name]), "o-", markersize=4, color=colour, label=words)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(across)
    axes.set_ylabel(up)


def save(figure, file):
    figure.tight_layout()
    figure.savefig(file, facecolor="white", metadata={"Date": None, "Creator": None})
    # Lines of coordinates end in blanks.
    lines = [line.rstrip() for line in file.read_text().splitlines()]
    file.write_text("\n".join(lines) + "\n")


def main(results, folder):
    results = json.loads(pathlib.Path(results).read_text())
    folder = pathlib.Path(folder)
    latency(results, folder / "latency.svg")
    cost(results, folder / "cost.svg")


main(*sys.argv[1:])
