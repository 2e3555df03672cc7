"""A storm of a few seconds over one population; `benchmarks.chaos` has long ones."""

from __future__ import annotations

import sys

import pytest

from tests.servers.openai import OpenAIServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits another process's files, which only Linux can")


@pytest.mark.timeout(300)
def test_whatever_happens_the_resumed_run_is_the_same(data_dir, openai_server: OpenAIServer) -> None:
    """Killed, told to stop, locked out, without room: nothing is lost, nor paid twice beyond what was under way."""
    from benchmarks import chaos

    openai_server.delay, users = 0.03, 20
    truth = chaos.undisturbed(data_dir, openai_server, users)
    assert len(truth) == users * 10 and truth["expected"].notna().all()
    storm = chaos.Storm(data_dir, openai_server, users, seed=5)
    events = ["kill", "term", "locked", "full"]
    storm.random.shuffle(events)
    report = storm.rage(events)
    assert not report.problems, report
    assert sorted(report.events) == ["full", "kill", "locked", "term"] and report.exit_codes[-1] == 0
    assert {2, 143, -9} <= set(report.exit_codes), "full, told to stop, killed"
    assert storm.table().equals(truth)
