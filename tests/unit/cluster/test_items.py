"""Items without Ray: how many are done in this process before Ray pays."""

from __future__ import annotations

from collections import deque
from typing import Any

from m3n.cluster import items


def times_two() -> Any:
    return lambda item: {"made": 2 * item["number"]}


def numbered(count: int) -> deque[items.Item]:
    return deque({"number": number} for number in range(count))


def test_little_work_is_done_in_this_process():
    todo = numbered(4)
    assert list(items.here(times_two, todo, saved_share=1.0)) == [{"made": made} for made in (0, 2, 4, 6)]
    assert not todo


def test_once_ray_pays_it_gets_what_is_left_and_on_one_cpu_it_never_does(monkeypatch):
    monkeypatch.setattr(items, "RAY_S", 1e-12)  # a Ray that starts at once
    todo = numbered(4)
    assert [result["made"] for result in items.here(times_two, todo, saved_share=0.5)] == [0, 2]
    assert [item["number"] for item in todo] == [2, 3]
    assert len(list(items.here(times_two, todo, saved_share=0.0))) == 2
    assert not todo
