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
    ("floor", "the system calls alone, in C", "#999999"),
    ("nif", "NIF", "#cc6677"),
    ("drop_in", "drop-in", "#0077bb"),
    ("open", "Linx.Netlink.Port.open/3", "#33bbee"),
    ("exec", "ip netns exec NS true", "#ddaa33"),
    ("pyroute2", "pyroute2", "#117733"),
]


def latency(results, file):
    figure, axes = pyplot.subplots(figsize=(8, 4))
    for name, words, colour in WAYS:
        quantiles = results["one_caller"][name]["quantiles"]
        shares = [100 * share for share, _time in quantiles]
        times = [time for _share, time in quantiles]
        axes.plot(times, shares, color=colour, label=words)
    axes.set_xscale("log")
    axes.set_xlabel("microseconds until a socket is there")
    axes.set_ylabel("% of opens, done by then")
    axes.set_ylim(0, 100)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, file)


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
