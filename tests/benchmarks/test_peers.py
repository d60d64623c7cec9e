"""The comparison with other engines: who counts, and who is said to be wrong."""

from __future__ import annotations

from benchmarks import peers

FOUND = {
    "W2": {
        "hand": {"us": [1.1, 1.0]},
        "express": {"us": [2.0, 2.2]},
        "aws-local-stepfunctions": {"us": [500.0, 400.0]},
        "moto": {"us": [], "wrong": "FAILS: no"},
        "bytewax": {"us": [3.0]},
    }
}


def test_the_best_round_counts() -> None:
    """Ratios are of the best rounds of either side."""
    row = peers.summary(FOUND)["W2"]

    assert row["aws-local-stepfunctions"]["x_hand"] == 400
    assert row["aws-local-stepfunctions"]["x_express"] == 200


def test_the_best_peer_runs_state_machines_and_is_right() -> None:
    """A stream library, or an engine whose output is wrong, is not the best ASL peer; the wrong one has no figure."""
    row = peers.summary(FOUND)["W2"]

    assert row["best_asl_peer"] == {"name": "aws-local-stepfunctions", "x_express": 200}
    assert row["moto"] == {"wrong": "FAILS: no"}
    assert "W2 on moto: FAILS: no" in list(peers.shown({"W2": row}))
