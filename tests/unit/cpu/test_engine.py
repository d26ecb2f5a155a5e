"""The seam: calls, results, budgets, stops and errors, both ways."""

from __future__ import annotations

import mmap

import pytest

from gunyah_emu.cpu import ExitHandler, Stop, open_engine
from gunyah_emu.errors import UserError

BASE = 0x4000_0000
ONES = (1 << 64) - 1


def test_a_hypercall_gets_its_caller_and_arguments_and_follows_the_native_convention(guest, calls):
    got = []

    def send(caller, x0, x1):
        got.append((caller, x0, x1))
        return 0, 7

    g = guest(
        "mov x0, #5\nmov x1, #-1\nhvc #0x6012\nhvc #0xe0",
        calls=calls({0x12: (2, send)}),
        callers=["thread"],
    )
    for number in range(2, 31):
        g.x[number] = 100 + number
    g.finish()
    assert got == [("thread", 5, ONES)]
    expected = [0, 7] + [0] * 6 + [108, BASE + 12] + [0] * 8 + list(range(118, 131))
    assert list(g.x[0:31]) == expected


@pytest.mark.parametrize(("returned", "x0"), [(3, 3), (True, 1), (False, 0), (ONES, ONES), ((9,), 9), ((), 0)])
def test_an_entry_may_return_an_int_or_a_tuple(guest, calls, returned, x0):
    g = guest("mov x0, #77\nhvc #0x6000\nhvc #0xe0", calls=calls({0: (0, lambda caller: returned)})).finish()
    assert g.x[0] == x0


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        ("no", TypeError), (1.5, TypeError), ((1, None), TypeError), (-1, OverflowError), (1 << 64, OverflowError),
        (tuple(range(9)), ValueError),
    ],
)  # fmt: skip
def test_a_result_of_a_wrong_kind_is_a_python_error_and_not_a_crash(guest, calls, returned, error):
    g = guest("hvc #0x6000\nhvc #0xe0", calls=calls({0: (0, lambda caller: returned)}))
    with pytest.raises(error):
        g.run()


def test_a_result_none_blocks_the_vcpu_until_its_results_come(guest, calls):
    g = guest("mov x0, #77\nhvc #0x6000\nadd x20, x0, #1\nhvc #0xe0", calls=calls({0: (0, lambda caller: None)}))
    assert g.run() is Stop.REQUESTED
    assert (g.x[0], g.engine.retired) == (77, 2)
    g.engine.complete(0, (4, 5))
    assert (g.x[0], g.x[1], g.x[9]) == (4, 5, BASE + 8)
    g.finish()
    assert g.x[20] == 5


def test_callers_and_table_entries_can_be_replaced_while_the_engine_lives(guest, calls):
    got = []
    table = calls({0: (0, lambda caller: got.append(caller) or 0)})
    g = guest("again: hvc #0x6000\nhvc #0x6001\nhvc #0xe0\nb again", calls=table, callers=["first"])
    g.finish()
    g.engine.callers[0] = "second"
    table.calls[1] = lambda caller: got.append(("new", caller)) or 0
    g.finish()
    assert got == ["first", "second", ("new", "second")]
    assert g.seen == [("hvc", 0x6001, 0)]


@pytest.mark.parametrize(
    "instruction", ["hvc #0x6070", "hvc #0x5fff", "hvc #0", "smc #0", "smc #0x6000", "hvc #0xffff"]
)
def test_a_call_outside_the_table_reaches_the_handler_with_live_registers(guest, calls, instruction):
    class Handler(ExitHandler):
        def on_call(self, vcpu, conduit, immediate, x):
            if immediate == 0xE0:
                self.engine.request_stop()
                return
            self.got = conduit, immediate, len(x), x[0], x[30]
            x[0], x[3] = 11, 12

    g = guest(
        f"mov x0, #6\nmov x30, #8\n{instruction}\nhvc #0xe0", calls=calls({0: (0, lambda c: 0)}), handler=Handler()
    )
    g.finish()
    conduit, _, immediate = instruction.partition(" #")
    assert g.handler.got == (conduit, int(immediate, 0), 31, 6, 8)
    assert (g.x[0], g.x[3], g.x[30]) == (11, 12, 8)


def test_the_default_handler_knows_no_calls(way):
    engine = open_engine(way=way)
    memory = mmap.mmap(-1, 4096)
    memory[:8] = b"\x02\x00\x00\xd4\x7f\x20\x03\xd5"  # hvc #0; wfi
    engine.map_ram(BASE, memory)
    engine.reset(0, BASE)
    assert engine.run(0, 10) is Stop.WFI
    assert engine.registers(0).x[0] == ONES
    engine.close()


def test_a_run_stops_in_front_of_the_block_that_begins_with_no_budget_left(guest):
    g = guest("mov x9, #1000\nagain: add x1, x1, #3\nsubs x9, x9, #1\nb.ne again\nhvc #0xe0")
    total = runs = 0
    while (stop := g.run(10)) is Stop.BUDGET:
        assert g.engine.retired in (10, 12)
        total += g.engine.retired
        runs += 1
    assert stop is Stop.REQUESTED
    # 1 + 3 * 1000 + 1, and the call is charged too
    assert total + g.engine.retired == 3002
    assert runs > 200


@pytest.mark.parametrize("budget", [0, -5])
def test_a_run_without_budget_runs_nothing(guest, budget):
    g = guest("mov x0, #1\nhvc #0xe0")
    assert g.run(budget) is Stop.BUDGET
    assert g.engine.retired <= 0
    assert g.x[0] == 0


def test_a_quantum_smaller_than_a_block_still_makes_progress(guest):
    g = guest("\n".join(["add x0, x0, #1"] * 50) + "\nhvc #0xe0")
    while g.run(1) is Stop.BUDGET:
        pass
    assert g.x[0] == 50


def test_retired_is_exact_in_a_callback_and_the_rest_of_its_block_comes_after(guest, calls):
    at = []
    g = guest(
        "nop\nnop\nhvc #0x6000\nnop\nhvc #0x6000\nldr x0, [x20]\nnop\nhvc #0x6000\nhvc #0xe0",
        calls=calls({0: (0, lambda caller: at.append(g.engine.retired) or 0)}),
        vectors={0x200: "mrs x10, elr_el1\nadd x10, x10, #4\nmsr elr_el1, x10\neret"},
    )
    g.finish()
    assert at == [3, 5, 5 + 1 + 4 + 2]
    assert g.engine.retired == 13


def test_request_stop_and_shorten_leave_what_was_retired(guest, calls):
    def stop(caller):
        g.engine.request_stop()
        return 0

    def shorten(caller):
        g.engine.shorten(4)
        return 0

    table = calls({0: (0, stop), 1: (0, shorten), 2: (0, lambda caller: g.engine.shorten(10**9) or 0)})
    g = guest("nop\nhvc #0x6000\nnop\nhvc #0x6001\nagain: nop\nb again", calls=table)
    assert (g.run(), g.engine.retired) == (Stop.REQUESTED, 2)
    assert (g.run(), g.engine.retired) == (Stop.BUDGET, 6)
    g.engine.registers(0).pc = BASE
    table.calls[0] = table.calls[2]
    table.calls[1] = table.calls[2]
    assert (g.run(100), g.engine.retired) == (Stop.BUDGET, 100)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, SystemExit])
def test_what_a_callback_raises_stops_the_guest_and_comes_out_of_run(guest, calls, error):
    def entry(caller):
        raise error("from the callback")

    table = calls({0: (0, entry)})
    g = guest("mov x20, #1\nhvc #0x6000\nmov x20, #2\nhvc #0xe0", calls=table)
    with pytest.raises(error, match="from the callback"):
        g.run()
    assert (g.x[20], g.engine.retired) == (1, 2)
    table.calls[0] = lambda caller: 0
    g.finish()  # the engine is not harmed
    assert g.x[20] == 2


def test_run_inside_a_callback_is_refused(guest, calls):
    g = guest("hvc #0x6000\nhvc #0xe0", calls=calls({0: (0, lambda caller: int(g.engine.run(0, 5)))}))
    with pytest.raises(RuntimeError, match="run called from a callback of a run"):
        g.run()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cpu_model": "z80"}, r"the CPU model must be one of cortex-a53, cortex-a57, cortex-a72, max, not 'z80'"),
        ({"way": "quick"}, r"the engine's way must be auto, fast or portable, not 'quick'"),
    ],
)
def test_what_a_user_may_get_wrong_is_said(options, message):
    with pytest.raises(UserError, match=f"^{message}$"):
        open_engine(**options)
