"""The figures as pictures: SVG for pages, PNG for wherever SVG is not shown."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from tests.benchmarks.jobs import CLEAN, VARIANTS
from tests.benchmarks.systems import SYSTEMS
from tests.benchmarks.workloads import WORKLOADS

FOLDER = Path("tests/benchmarks/plots")
_OURS, _OTHERS, _LIMIT = "#0b6e4f", "#9aa5b1", "#c9cfd6"
_PARTS = ("#3d6fb4", "#e07a1f", "#7d4f9c", "#0b6e4f", "#a7b1bc")
_CLIENTS, _APPLIERS = "clients", "writer or workers"
_ROLES = {
    "services": _CLIENTS,
    "publisher": _CLIENTS,
    "pgbench": _CLIENTS,
    "applier": _CLIENTS,
    "writer": _APPLIERS,
    "worker": _APPLIERS,
}
"""What groups of processes are for: one colour each."""
_TITLES = {
    "tpcb-1": "TPC-B, scale 1",
    "tpcb-50": "TPC-B, scale 50",
    "hot": "transfers among 50 accounts",
    "spread": "transfers among 100,000",
    "insert": "inserts",
    "upsert": "upserts",
    "mixed": "five tables, foreign keys",
}

Runs = list[dict[str, Any]]


def draw(figures: dict[str, Any]) -> list[str]:
    """Draw what the figures have; return the names of the pictures."""
    mpl.rcParams.update({
        "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "writegate",
        "axes.titlesize": 10, "axes.titlelocation": "left", "figure.facecolor": "white", "svg.fonttype": "none",
    })  # fmt: skip
    FOLDER.mkdir(exist_ok=True)
    runs: Runs = figures["runs"]
    drawn = ["throughput", "cost"]
    _throughput(runs)
    _cost(runs)
    if any(run["variant"] != CLEAN for run in runs):
        _variants(runs)
        drawn.append("variants")
    if any(run["latency_ms"] for run in runs):
        _latency(runs)
        drawn.append("latency")
    if figures["growth"]:
        _growth(figures["growth"])
        drawn.append("growth")
    return drawn


def _throughput(runs: Runs) -> None:
    found = {(run["system"], run["workload"]): run for run in runs if run["variant"] == CLEAN}
    workloads = [name for name in WORKLOADS if any(workload == name for _, workload in found)]
    columns = min(4, len(workloads))
    rows = -(-len(workloads) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.6 * columns, 0.24 * len(SYSTEMS) * rows + 0.9), squeeze=False)
    for axis in axes.flat[len(workloads) :]:
        axis.set_visible(False)
    for axis, workload in zip(axes.flat, workloads, strict=False):
        names = [name for name in reversed(SYSTEMS) if (name, workload) in found]
        for line, name in enumerate(names):
            values = found[name, workload]["effects_per_s"]
            median = statistics.median(values)
            axis.barh(line, median, color=_colour(name), height=0.7)
            axis.plot([min(values), max(values)], [line, line], color="black", linewidth=0.8)
            axis.text(max(values) * 1.08, line, f"{median:,.0f}", va="center", fontsize=7.5)
        axis.set_xscale("log")
        axis.set_xlim(left=max(1, 0.5 * min(min(found[name, workload]["effects_per_s"]) for name in names)))
        axis.set_xlim(right=axis.get_xlim()[1] * 4)
        axis.set_yticks(range(len(names)), names)
        axis.set_title(_TITLES[workload])
        axis.xaxis.set_major_formatter(FuncFormatter(_short))
        axis.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    figure.supxlabel("committed effects a second (logarithmic): median, and least to most", fontsize=9)
    _save(figure, "throughput")


def _cost(runs: Runs) -> None:
    found = {run["system"]: run for run in runs if run["workload"] == "tpcb-1" and run["variant"] == CLEAN}
    names = [name for name in reversed(SYSTEMS) if name in found]
    groups = (_CLIENTS, "broker", "pgbouncer", _APPLIERS, "postgres")
    figure, axis = plt.subplots(figsize=(8, 0.3 * len(names) + 1.2))
    colours = dict(zip(groups, _PARTS, strict=True))
    for line, name in enumerate(names):
        left = 0.0
        spent = found[name]["cpu_s_per_1000"]
        for group in groups:
            seconds = sum(part for part_of, part in spent.items() if _ROLES.get(part_of, part_of) == group)
            axis.barh(line, seconds, left=left, color=colours[group], height=0.7)
            left += seconds
        axis.text(left, line, f"  {found[name]['peak_connections']} connections", va="center", fontsize=7.5)
    axis.set_yticks(range(len(names)), names)
    axis.set_xlabel("CPU seconds per 1,000 commands of TPC-B, scale 1")
    axis.set_xlim(right=axis.get_xlim()[1] * 1.15)
    handles = [Patch(color=colours[group]) for group in groups]
    axis.legend(handles, groups, frameon=False, ncols=len(groups), loc="lower left", bbox_to_anchor=(0, 1), fontsize=8)
    _save(figure, "cost")


def _variants(runs: Runs) -> None:
    found = {(run["system"], run["workload"], run["variant"]): statistics.median(run["effects_per_s"]) for run in runs}
    names = [name for name, system in SYSTEMS.items() if system.variants]
    others = [variant for variant in VARIANTS if variant != CLEAN]
    figure, axes = plt.subplots(1, len(others), figsize=(4 * len(others), 2.8), sharey=True)
    titles = {"poison1": "1 % poison", "dup5": "5 % duplicates", "rtt1": "1 ms more to each statement"}
    for axis, variant in zip(axes, others, strict=True):
        for place, name in enumerate(names):
            shares = [
                100 * found[name, workload, variant] / clean
                for workload in WORKLOADS
                if (clean := found.get((name, workload, CLEAN))) and (name, workload, variant) in found
            ]
            if shares:
                axis.bar(place, statistics.median(shares), color=_colour(name), width=0.65)
                axis.plot([place] * len(shares), shares, ".", color="black", markersize=3)
        axis.axhline(100, color="black", linewidth=0.6, linestyle=":")
        axis.set_xticks(range(len(names)), names, rotation=25, ha="right")
        axis.set_title(titles[variant])
    axes[0].set_ylim(0, 150)
    axes[0].set_ylabel("throughput, % of clean\n(bar: median of the workloads)")
    _save(figure, "variants")


def _latency(runs: Runs) -> None:
    found = {run["system"]: run["latency_ms"] for run in runs if run["latency_ms"] and run["variant"] == CLEAN}
    names = [name for name in reversed(SYSTEMS) if name in found]
    loads = [load for load in ("25", "50", "90") if any(load in found[name] for name in names)]
    figure, axes = plt.subplots(
        1, len(loads), figsize=(3.8 * len(loads), 0.26 * len(names) + 1.1), sharey=True, sharex=True
    )
    for axis, load in zip(axes, loads, strict=True):
        for line, name in enumerate(names):
            if latency := found[name].get(load):
                axis.plot([latency["p50"], latency["p99"]], [line, line], color=_colour(name), linewidth=2)
                axis.plot(latency["p50"], line, "o", color=_colour(name), markersize=6)
                axis.plot(latency["p99"], line, "|", color=_colour(name), markersize=9, markeredgewidth=2)
        axis.set_xscale("log")
        axis.set_title(f"at {load} % of its own capacity")
        axis.set_yticks(range(len(names)), names)
        axis.xaxis.set_major_formatter(FuncFormatter(_short))
        axis.grid(axis="x", linewidth=0.4, color="#dddddd")
    figure.supxlabel("milliseconds from due to committed (logarithmic): dot p50, bar p99", fontsize=9)
    _save(figure, "latency")


def _growth(points: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(point["series"] for point in points))
    figure, axes = plt.subplots(2, len(names), figsize=(3 * len(names), 4.2), squeeze=False, sharex="col")
    for (rates, memory), name in zip(zip(*axes, strict=True), names, strict=True):
        own = [point for point in points if point["series"] == name]
        sizes = [point["x"] for point in own]
        rates.plot(sizes, [point["effects_per_s"] for point in own], "o-", color=_OURS)
        rates.set_title(name)
        for group, colour in (("writer", _OURS), ("broker", _PARTS[1])):
            seen = [point["peak_rss_mb"].get(group) for point in own]
            memory.plot(sizes, seen, "o-", color=colour, label=group)
        for axis in (rates, memory):
            axis.set_xscale("log")
            axis.set_ylim(0, 1.15 * axis.get_ylim()[1])
            axis.xaxis.set_major_formatter(FuncFormatter(_short))
            axis.yaxis.set_major_formatter(FuncFormatter(_short))
    axes[0, 0].set_ylabel("effects a second")
    axes[1, 0].set_ylabel("resident memory, MB")
    axes[1, 0].legend(frameon=False)
    _save(figure, "growth")


def _colour(system: str) -> str:
    if system.startswith("writegate"):
        return _OURS
    return _LIMIT if system == "limit" else _OTHERS


def _short(value: float, _: int) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _save(figure: Any, name: str) -> None:
    figure.tight_layout()
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
    figure.savefig(FOLDER / f"{name}.png", dpi=130)
    plt.close(figure)
