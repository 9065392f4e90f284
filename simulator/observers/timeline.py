"""`Timeline`: watches a run and tells it as a trace for Perfetto or chrome://tracing.

Format: "Trace Event Format" of Chrome (complete events X, counters C, metadata M), times in microseconds, to the
nanosecond; exact counts stand in the arguments of spans. Layers follow one another. Tracks:

    layers      a span a layer
    PE array    array: every cycle belongs to a tile or to a wait; the drain unit; groups of PEs: inside each tile the
                causes one after the other, each as long as the group's mean PE spent on it (their order is not known)
    DRAM        a span a transfer for each tensor; a counter of bandwidth for each channel
    buffers     a counter of the bytes taken in each buffer
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflows.schedule import Cause, LayerSchedule, Tensor
from simulator.engine.observer import Observer
from simulator.reports.report import NetworkReport
from workloads.units import MICROSECONDS
from workloads.whole_numbers import ceil_div

# Process ids, and thread ids in ARRAY; those in DRAM are tensors, from 1.
LAYERS, ARRAY, DRAM, BUFFERS = 1, 2, 3, 4
TILES, DRAIN, FIRST_GROUP = 1, 2, 3
WAIT = "wait: "  # begins the names of the array's waits, before their cause
_MOST_GROUPS = 8
_DECIMALS = 3  # of times in microseconds


class Timeline(Observer):
    """Collects the events of a run; give it to `simulate` as an observer, then call `to_json`."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._tracks: set[tuple[int, int]] = set()
        self._counters: dict[tuple[int, str], dict[str, Any]] = {}
        self._cycles = 0  # of the layers before
        self._us = 0.0  # in a cycle
        self._layer = ""
        self._groups = np.zeros((0, 0, 0), np.int64)
        self._group_pes: list[int] = []
        self._wait_starts: list[int] = []  # since the last tile
        self._stream_ends: dict[Tensor, int] = {}
        self._told_at, self._told, self._moved = 0, [0], [0]  # bytes by channel, as last drawn and as last heard

    def begin(self, layer: str, schedule: LayerSchedule, clock_hz: int) -> None:
        """A new layer, after those before it."""
        self._layer, self._us = layer, MICROSECONDS / clock_hz
        self._groups, self._group_pes = group_cycles(schedule)
        self._wait_starts, self._stream_ends = [], {}
        self._told_at, self._told, self._moved = 0, [], []
        self._name_tracks(schedule)

    def _name_tracks(self, schedule: LayerSchedule) -> None:
        self._track(LAYERS, 1, "layers", "layers")
        array = f"PE array, {schedule.pe_grid[0]} x {schedule.pe_grid[1]}"
        self._track(ARRAY, TILES, array, "array")
        self._track(ARRAY, DRAIN, array, "drain unit")
        # Groups of 3, 3 and 2 PEs end before PE 3, 6 and 8, and are named by their first and last one.
        ends = np.cumsum(self._group_pes).tolist()
        for group, (end, pes) in enumerate(zip(ends, self._group_pes, strict=True)):
            self._track(ARRAY, FIRST_GROUP + group, array, f"PEs {end - pes} to {end - 1}, mean")
        for tensor in Tensor:
            self._track(DRAM, tensor + 1, "DRAM", f"{tensor.key}s")
        self._track(BUFFERS, 0, "buffers", "buffers")

    def end(self, cycles: int) -> None:
        """Close the layer: its counters fall to nothing, and the next one starts here."""
        self._close_counters(cycles)
        self._span(LAYERS, 1, self._layer, 0, cycles, {"cycles": cycles})
        self._cycles += cycles

    def _close_counters(self, cycles: int) -> None:
        self._draw_channels(cycles)
        # Without a last value a counter would keep its height through the layers behind it.
        for (pid, name), event in list(self._counters.items()):
            self._count(pid, name, cycles, dict.fromkeys(event["args"], 0))

    def tile(self, tile: int, start: int, end: int) -> None:
        """A tile, up to the wait for streamed data at its end: waits have spans of their own."""
        # A wait inside the tile lies at its end, so computing is over where the first one begins.
        computed = min((wait for wait in self._wait_starts if wait >= start), default=end)
        self._wait_starts = []
        if computed == start:
            return
        self._span(ARRAY, TILES, self._name(tile), start, computed - start, {"cycles": computed - start})
        groups = self._groups_of(tile)
        for group, pes in enumerate(self._group_pes):
            # The group's mean PE: pe_cycles of the whole group, divided by its PEs, are as long as the span.
            at = float(start)
            for cause, pe_cycles in zip(Cause, groups[group].tolist(), strict=True):
                if pe_cycles:
                    self._span(ARRAY, FIRST_GROUP + group, cause.key, at, pe_cycles / pes, {"pe_cycles": pe_cycles})
                    at += pe_cycles / pes

    def wait(self, cause: Cause, start: int, end: int) -> None:
        """A wait of the whole array."""
        if end > start:
            # Told before the tile that it lies in, whose computing then ends where the wait began.
            self._wait_starts.append(start)
            self._span(ARRAY, TILES, f"{WAIT}{cause.key}", start, end - start, {"cycles": end - start})

    def drain(self, tile: int, start: int, end: int) -> None:
        """The drain unit's work on a tile."""
        if end > start:
            self._span(ARRAY, DRAIN, self._name(tile), start, end - start, {"cycles": end - start})

    def transfer(self, tile: int, tensor: Tensor, start: int, end: int, size_bytes: int, *, write: bool) -> None:
        """A transfer, from its request or from the end of the one before it: those of a tensor follow one another."""
        # Spans of one track must not overlap, but transfers of a tensor are asked for before older ones are done.
        served = min(max(start, self._stream_ends.get(tensor, 0)), end)
        self._stream_ends[tensor] = end
        detail = {"bytes": size_bytes, "requested_cycle": start}
        name = self._name(tile, f"{'store' if write else 'load'} of ")
        self._span(DRAM, tensor + 1, name, served, end - served, detail)

    def channels(self, now: int, moved_bytes: Sequence[int]) -> None:
        """The bandwidth of each channel, drawn from the last time it was told on."""
        # The number of channels is known with the first call.
        self._told = self._told or [0] * len(moved_bytes)
        self._moved = list(moved_bytes)
        self._draw_channels(now)

    def buffer_level(self, buffer: str, now: int, taken_bytes: int) -> None:
        """A buffer's level from now on."""
        self._count(BUFFERS, buffer, now, {"bytes": taken_bytes})

    def to_json(self, report: NetworkReport) -> str:
        """The trace as JSON text; `otherData` says what ran."""
        about = {
            "accelerator": report.machine,
            "workload": report.workload["name"],
            "digest": report.digest,
            "cycles": self._cycles,
            "us_per_cycle": self._us,
            "peak_gbs": report.layers[0].dram.peak_gbs,
        }
        data = {"traceEvents": self.events, "displayTimeUnit": "ns", "otherData": about}
        return json.dumps(data, separators=(",", ":")) + "\n"

    def _name(self, tile: int, what: str = "") -> str:
        """A tile, and what happens to it, as the name of a span."""
        return f"{what}tile {tile}"

    def _groups_of(self, tile: int) -> np.ndarray:
        """PE-cycles of a tile by group and cause."""
        return self._groups[tile]

    def _draw_channels(self, now: int) -> None:
        if now == self._told_at:
            return
        # Bytes a nanosecond are 10^9 bytes a second.
        nanoseconds = (now - self._told_at) * self._us * 1000
        for channel, (before, moved) in enumerate(zip(self._told, self._moved, strict=True)):
            # Counters hold from their time on, so the rate of an interval stands at its beginning.
            rate = round((moved - before) / nanoseconds, 6)
            self._count(DRAM, f"channel {channel}", self._told_at, {"GB/s": rate})
        self._told_at, self._told = now, self._moved

    def _span(self, pid: int, tid: int, name: str, start: float, cycles: float, detail: dict[str, Any]) -> None:
        # Both ends are rounded and the length is taken between them, so that neighbours touch.
        at, end = self._time(start), self._time(start + cycles)
        # Example: at 606 MHz cycles last 1.65 ns. The first two are drawn from 0 to 0.002 and from 0.002 to 0.003 us.
        length = round(end - at, _DECIMALS)
        self.events.append({"ph": "X", "pid": pid, "tid": tid, "name": name, "ts": at, "dur": length, "args": detail})

    def _count(self, pid: int, name: str, cycle: int, values: dict[str, float]) -> None:
        """A counter's value from a cycle on; of several in a cycle the last stays, and none repeats the one before."""
        at, last = self._time(cycle), self._counters.get((pid, name))
        if last is not None and last["ts"] == at:
            last["args"] = values
        elif last is None or last["args"] != values:
            event = {"ph": "C", "pid": pid, "name": name, "ts": at, "args": values}
            self.events.append(event)
            self._counters[pid, name] = event

    def _time(self, cycle: float) -> float:
        """Microseconds, to the nanosecond: viewers round ends and starts to it, which must not make spans overlap."""
        return round((self._cycles + cycle) * self._us, _DECIMALS)

    def _track(self, pid: int, tid: int, process: str, thread: str) -> None:
        """Name a track when it is first used."""
        for key, kind, name in (((pid, -1), "process_name", process), ((pid, tid), "thread_name", thread)):
            if key not in self._tracks:
                self._tracks.add(key)
                self.events.append({"ph": "M", "pid": pid, "tid": tid, "name": kind, "args": {"name": name}})


def group_cycles(schedule: LayerSchedule) -> tuple[np.ndarray, list[int]]:
    """PE-cycles inside tiles by groups of neighbouring PEs, waits for the slowest PE included; and the groups' sizes.

    int64 (tiles, groups, CAUSES). Groups are whole rows of the array, of an array of one row some of its PEs.
    """
    rows, columns = schedule.pe_grid
    # A unit is a row of the array, or a PE where there is only one row.
    units, unit_pes = (rows, columns) if rows > 1 else (columns, 1)
    # First PE of each group: 20 rows of 4 PEs in at most 8 groups are 3 rows a group, from PE 0, 12, 24 and so on to
    # 72.
    starts = np.arange(0, units, ceil_div(units, _MOST_GROUPS)) * unit_pes
    cycles = schedule.cycles.copy()
    # As in `CauseBooks`, but for each tile by itself: at its end PEs with work wait for the slowest (imbalance), those
    # without are unmapped. Each PE then has as many cycles as the tile, and spans of groups end together.
    local = cycles.sum(axis=2)
    duration = local.max(axis=1, initial=0, keepdims=True)
    mapped = local > cycles[:, :, Cause.UNMAPPED]
    cycles[:, :, Cause.IMBALANCE] += np.where(mapped, duration - local, 0)
    cycles[:, :, Cause.UNMAPPED] += np.where(mapped, 0, duration - local)
    # (tiles, PEs, CAUSES) summed over the PEs from each start to the next; the last group may be smaller.
    return np.add.reduceat(cycles, starts, axis=1), np.diff(np.append(starts, schedule.pes)).tolist()
