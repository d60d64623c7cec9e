"""The report: one page without references to elsewhere, made of whatever figures there are."""

from __future__ import annotations

import re

from benchmarks import report

FOUND = {
    "engine": {"W1": {"x_hand": 1.1, "x_hand_history": 2.0}, "W2S": {"x_hand": 2.6}},
    "pump": {"us_per_event": {"ceiling": 3.5, "express": 10.0}, "share_of_ceiling": 0.35, "events_per_cpu_second": 9e4},
    "peers": {
        "W1": {"express": {"us": 2.0}, "moto": {"us": 24e3}, "best_asl_peer": {"name": "moto", "x_express": 12e3}}
    },
    "scale": {"payload": {"100": {"x_hand": 1.2}, "1024": {"x_hand": 1.3}}, "workers": {"speed_up": 1.8}},
    "other": {"<b>": 1},
}


def test_the_page_opens_offline() -> None:
    """Nothing is loaded from anywhere, and what came from files is text."""
    page = report.page(FOUND)

    assert not re.search(r"(src|href)=", page)
    assert "<b>" not in page
    assert page.count("<svg") == 4


def test_goals_tell_what_was_not_reached() -> None:
    """Upper and lower goals are told apart; what was not measured has no row."""
    rows = {row.what: row.reached for row in report.goals(FOUND)}

    assert rows == {
        "W1, times hand-written Python": True,
        "W2S, times hand-written Python": False,
        "share of the pump's ceiling": False,
        "events per CPU second through Kafka": True,
        "two workers, times one": True,
        "W1, times less CPU than moto": True,
    }


def test_nothing_measured_is_a_page_too() -> None:
    """A folder without figures gives a page without pictures."""
    assert "<svg" not in report.page({})
