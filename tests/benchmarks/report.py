"""The figures as JSON, and as tables in the pages that show them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from tests.benchmarks.jobs import CLEAN, VARIANTS
from tests.benchmarks.matrix import Cell, Figures, Matrix
from tests.benchmarks.targets import TARGETS
from tests.benchmarks.workloads import WORKLOADS

BUILD = Path("build/bench.json")
PAGE = Path("tests/benchmarks/README.md")
FRONT = Path("README.md")
# In the README: one that says what is gained, one where it is most, one that is missed, one about connections.
HEADLINE = (
    "TPC-B scale 1, single commands, against the best pgbench",
    "hot transfers, single commands, against 64 direct connections",
    "throughput lost to 1 % poison, single commands",
    "more database connections for 500 services than for 1",
)
_BEGIN, _END = "<!-- {}: written by make bench -->", "<!-- {}: end -->"

Points = Sequence[dict[str, Any]]


def as_json(machine: dict[str, object], matrix: Matrix, points: Points) -> dict[str, Any]:
    """Return what `build/bench.json` holds."""
    return {
        "machine": machine,
        "runs": [_run(cell, figures) for cell, figures in sorted(matrix.items()) if figures.runs],
        "growth": list(points),
        "targets": [
            {"target": target.text, "unit": target.unit, "due": target.due, "goal": target.goal, "measured": value,
             "met": target.met(value) if value is not None else None}
            for target in TARGETS
            for value in (target.value(matrix, points),)
        ],
    }  # fmt: skip


def _run(cell: Cell, figures: Figures) -> dict[str, Any]:
    runs = figures.runs
    groups = sorted({name for run in runs for name in run.seen.cpu_s})
    return {
        "system": cell.system,
        "workload": cell.workload,
        "variant": cell.variant,
        "effects_per_s": [round(run.effects_per_s, 1) for run in runs],
        "latency_ms": figures.latency_ms,
        "publish_ms": figures.publish_ms or {"100": _median_of([run.call_ms for run in runs])},
        "peak_connections": max(run.seen.peak_connections for run in runs),
        "deadlocks": sum(run.seen.deadlocks for run in runs),
        "cpu_s_per_1000": {
            name: statistics.median(run.seen.cpu_s.get(name, 0.0) / max(1, run.applied) * 1000 for run in runs)
            for name in groups
        },
        "peak_rss_mb": {name: max(run.seen.peak_rss_mb.get(name, 0.0) for run in runs) for name in groups},
        "retries": sum(run.retries for run in runs),
        "exact": all(run.exact for run in runs),
        "settings": sorted({run.setting for run in runs if run.setting}),
    }


def _median_of(each: list[dict[str, float]]) -> dict[str, float]:
    names = {name for values in each for name in values}
    return {name: statistics.median(values[name] for values in each if name in values) for name in sorted(names)}


def write_json(figures: dict[str, Any]) -> None:
    """Write the raw figures."""
    BUILD.parent.mkdir(exist_ok=True)
    BUILD.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")


def read_json() -> dict[str, Any]:
    """Return the raw figures of the last run."""
    figures: dict[str, Any] = json.loads(BUILD.read_text())
    return figures


def headline_table(figures: dict[str, Any]) -> str:
    """Return the four targets that the README shows."""
    return "\n".join(_target_rows(figures, HEADLINE))


def targets_table(figures: dict[str, Any]) -> str:
    """Return the targets and whether each is met; for what is missed, why."""
    lines = _target_rows(figures, [target.text for target in TARGETS])
    missed = [
        fill(f"- {target.text}: {target.why or 'not yet explained'}", 120, subsequent_indent="  ")
        for target, result in zip(TARGETS, figures["targets"], strict=True)
        if result["met"] is False
    ]
    if missed:
        lines += ["", "Why the missed ones are missed:", "", *missed]
    return "\n".join(lines)


def _target_rows(figures: dict[str, Any], texts: Collection[str]) -> list[str]:
    lines = ["| | due | goal | measured | |", "|---|---:|---:|---:|---|"]
    for target, result in zip(TARGETS, figures["targets"], strict=True):
        if target.text not in texts:
            continue
        sign, unit = "≤" if target.at_most else "≥", f" {target.unit}" if target.unit else ""
        measured = "not measured" if result["measured"] is None else f"{result['measured']:,.3g}{unit}"
        verdict = {True: "met", False: "**missed**", None: ""}[result["met"]]
        due, goal = f"{sign} {target.due:g}{unit}", f"{sign} {target.goal:g}{unit}"
        lines.append(f"| {target.text} | {due} | {goal} | {measured} | {verdict} |")
    return lines


def page(figures: dict[str, Any]) -> str:
    """Return the tables of the benchmarks' own page."""
    return "\n\n".join(["\n".join(part) for part in _parts(figures)])


def _parts(figures: dict[str, Any]) -> Iterator[list[str]]:
    machine = figures["machine"]
    yield [fill(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items()) + ".", 120)]
    yield ["### Targets", "", targets_table(figures)]
    runs = figures["runs"]
    systems = list(dict.fromkeys(run["system"] for run in sorted(runs, key=_place)))
    found = {(run["system"], run["workload"], run["variant"]): run for run in runs}
    for variant in VARIANTS:
        rows = [name for name in systems if any((name, workload, variant) in found for workload in WORKLOADS)]
        if rows:
            yield _throughput(variant, rows, found)
    yield _latency(runs)
    yield _costs(systems, found)
    if figures["growth"]:
        yield _growth(figures["growth"])


def _place(run: dict[str, Any]) -> int:
    from tests.benchmarks.systems import SYSTEMS  # noqa: PLC0415  the order of the columns

    return list(SYSTEMS).index(run["system"])


def _throughput(variant: str, rows: list[str], found: dict[tuple[str, str, str], dict[str, Any]]) -> list[str]:
    titles = {
        CLEAN: "clean", "poison1": "with 1 % poison", "dup5": "with 5 % duplicates",
        "rtt1": "with 1 ms more to each statement",
    }  # fmt: skip
    columns = [name for name in WORKLOADS if any((system, name, variant) in found for system in rows)]
    lines = [f"### Committed effects a second, {titles[variant]}", "", "Median (least to most) of the runs.", ""]
    lines += [f"| | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for system in rows:
        cells = [_effects(found.get((system, workload, variant))) for workload in columns]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    if any(not run["exact"] for (_, _, of), run in found.items() if of == variant):
        lines += ["", "¹ Not exact: something was lost, done twice, or done that should have been refused."]
    return lines


def _effects(run: dict[str, Any] | None) -> str:
    if run is None:
        return ""
    values = run["effects_per_s"]
    inexact = "" if run["exact"] else " ¹"
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f}){inexact}"


def _latency(runs: list[dict[str, Any]]) -> list[str]:
    heading = [
        "### From due to committed, TPC-B scale 1", "",
        "Open loop at a share of each system's own capacity: commands come when they come. Milliseconds.", "",
        "| | load | p50 | p95 | p99 | max | publish call p50 | p99 |", "|---|---|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    rows = []
    for run in runs:
        for load, latency in run["latency_ms"].items():
            call = run["publish_ms"].get(load, {})
            share = load if load.endswith("/s") else f"{load} %"
            figures = [latency["p50"], latency["p95"], latency["p99"], latency["max"], call.get("p50"), call.get("p99")]
            rows.append(f"| {run['system']} | {share} | {' | '.join(_ms(value) for value in figures)} |")
    return [*heading, *rows] if rows else []


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


def _costs(systems: list[str], found: dict[tuple[str, str, str], dict[str, Any]]) -> list[str]:
    lines = [
        "### What it costs, TPC-B scale 1", "",
        "CPU seconds per 1,000 commands, and peak memory in MB (of PostgreSQL without its shared buffers).", "",
        "| | connections | deadlocks | CPU | memory |", "|---|---:|---:|---|---|",
    ]  # fmt: skip
    for system in systems:
        run = found.get((system, "tpcb-1", CLEAN))
        if run is not None:
            cpu = ", ".join(f"{name} {value:.3f}" for name, value in run["cpu_s_per_1000"].items() if value >= 0.0005)
            memory = ", ".join(f"{name} {value:,.0f}" for name, value in run["peak_rss_mb"].items())
            lines.append(f"| {system} | {run['peak_connections']} | {run['deadlocks']} | {cpu} | {memory} |")
    return lines


def _growth(points: Points) -> list[str]:
    lines = [
        "### Growth", "",
        "| | | effects/s | connections | writer MB | broker MB | |", "|---|---:|---:|---:|---:|---:|---|",
    ]  # fmt: skip
    for point in points:
        memory, connections = point.get("peak_rss_mb", {}), point.get("peak_connections", "")
        lines.append(
            f"| {point['series']} | {point['x']:,} | {point['effects_per_s']:,.0f} | {connections} "
            f"| {memory.get('writer', 0):,.0f} | {memory.get('broker', 0):,.0f} | {point.get('note', '')} |"
        )
    return lines


def write_between(path: Path, name: str, text: str) -> None:
    """Put ``text`` between the two marks of a name in a page. Raises :class:`ValueError` when they are not there."""
    before, mark, rest = path.read_text().partition(_BEGIN.format(name))
    _, end, after = rest.partition(_END.format(name))
    if not (mark and end):
        raise ValueError(f"{path}: expected the marks {_BEGIN.format(name)} and {_END.format(name)}")
    path.write_text(f"{before}{mark}\n\n{text}\n\n{end}{after}")
