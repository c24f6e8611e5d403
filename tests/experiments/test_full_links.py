"""What a full link leaves: the toy run, and that wrong data refute each prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from experiments import full_links


@pytest.fixture(scope="module")
def data() -> Any:
    return full_links.run(repeats=1, places=(1, 16, 64), peak=(2.0, 6.0))


def test_the_predictions_hold(data: Any) -> None:
    claims = full_links.judge(data)
    assert len(claims) == 8
    assert [claim.text for claim in claims if not claim.holds] == []


def test_wrong_data_refute_them(data: Any) -> None:
    def verdict(**changes: Any) -> list[bool | None]:
        other = data.copy(deep=True)
        for name, change in changes.items():
            other[name] = change(other)
        return [claim.holds for claim in full_links.judge(other)]

    assert verdict(error=lambda d: d.error + 0.2 * (d.bus != "drop"))[:3] == [False] * 3
    assert verdict(settled=lambda d: d.settled * (d.bus != "wait"))[:3] == [True, False, True]
    few = verdict(error=lambda d: d.error.where(d.bus != "drop", 5.0))
    assert few[3:7] == [False, True, False, True]
    deep = verdict(error=lambda d: d.error.where((d.bus != "drop") | (d.places < 64), 0.5))
    assert deep[3:7] == [False] * 4
    assert verdict(messages=lambda d: 0 * d.messages + 1000.0)[7] is False


def test_other_buses_are_refused() -> None:
    with pytest.raises(ValueError, match="bus is 'lose'"):
        full_links.measure(seed=np.random.SeedSequence(0), bus="lose", places=1, peak=1.0,
                           quantum=0.1, memories=2)  # fmt: skip


def test_the_figure_has_axes(data: Any) -> None:
    left, right = full_links.draw(data).axes
    assert "quanta" in left.get_ylabel() and "messages" in right.get_ylabel()
    assert len(right.lines) == 4
