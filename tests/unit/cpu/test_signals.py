"""Ctrl-C, wherever it finds the guest."""

from __future__ import annotations

import os
import signal
import threading

import pytest


@pytest.mark.parametrize(
    "source", ["again: hvc #0x6000\nb again", "again: add x0, x0, #1\nb again"], ids=["in calls", "in guest code"]
)
def test_ctrl_c_ends_a_guest_that_never_ends(guest, calls, source):
    g = guest(source, calls=calls({0: (0, lambda caller: 0)}))
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012  # it may come between two runs
        timer.start()
        while True:
            g.run(20_000)
    timer.join()
    g.engine.registers(0).x[0] = 5
    g.run(100)  # the engine is not harmed
