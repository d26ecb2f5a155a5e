"""Coverage: which instructions vCPUs arrived at, the same both ways."""

BASE = 0x4000_0000
EXIT = "hvc #0xE0"


def covered(guest) -> list[int]:
    """Offsets of the instructions that were arrived at."""
    blocks, is_all = guest.engine.covered()
    assert is_all
    assert len(blocks) == len(set(blocks))
    return sorted({address + offset - BASE for address, size in blocks for offset in range(0, size, 4)})


def run(*budgets: int):
    def observe(guest) -> list[int]:
        guest.engine.cover()
        for budget in budgets:
            guest.run(budget)
        return covered(guest)

    return observe


def test_a_branch_that_is_not_taken_leaves_its_target_uncovered(both):
    source = f"cbnz xzr, two; mov x0, #1; {EXIT}; two: mov x0, #2; {EXIT}"
    assert both(run(1000), source) == [0, 4, 8]


def test_every_run_tells_of_the_block_it_begins_with(both):
    source = f"wfi; mov x0, #1; wfi; mov x0, #2; {EXIT}; nop"
    assert both(run(1000, 1000, 1000), source) == [0, 4, 8, 12, 16]


def test_a_block_that_the_budget_does_not_reach_any_more_was_arrived_at(both):
    assert both(run(2), f"nop; b one; one: nop; b two; two: {EXIT}") == [0, 4, 8, 12]


def test_code_behind_an_exit_is_not_covered(both):
    assert both(run(1000), f"nop; {EXIT}; nop; b .") == [0, 4]


def test_what_ran_before_coverage_began_counts_when_it_runs_again(both):
    def observe(guest) -> list[int]:
        guest.run(100)
        guest.engine.cover()
        guest.run(100)
        return covered(guest)

    assert both(observe, "nop; again: nop; b again") == [4, 8]


def test_covering_anew_forgets(both):
    def observe(guest) -> list[int]:
        guest.engine.cover()
        guest.run(4)
        guest.engine.cover()
        guest.run(100)
        return covered(guest)

    assert both(observe, "nop; nop; again: nop; b again") == [8, 12]


def test_nobody_who_did_not_ask_gets_anything(both):
    def observe(guest) -> object:
        guest.run(100)
        return guest.engine.covered()

    assert both(observe, "b .") == ([], True)


def test_an_instruction_that_traps_in_the_middle_of_a_block_is_covered_and_its_handler_too(both):
    def observe(guest) -> list[int]:
        guest.engine.cover()
        guest.finish()
        return covered(guest)

    source = f"mov x1, #0x100; ldr x0, [x1]; nop; {EXIT}"
    assert both(observe, source, vectors={0x200: EXIT}) == [0, 4, 8, 12, 0x1_0200]  # the whole block counts


def test_code_that_is_written_anew_is_covered_with_its_new_length(both, assemble):
    def observe(guest) -> list[int]:
        guest.engine.cover()
        guest.run(100)
        guest.write(0, assemble(f"nop; nop; nop; {EXIT}"))
        guest.engine.invalidate(BASE, 64)
        guest.engine.reset(0, BASE)
        guest.run(100)
        return covered(guest)

    assert both(observe, f"nop; {EXIT}") == [0, 4, 8, 12]


def test_both_vcpus_of_a_vm_are_covered(both):
    def observe(guest) -> list[int]:
        guest.engine.cover()
        guest.engine.reset(1, BASE + 8)
        guest.run(100, vcpu=1)
        guest.run(100, vcpu=0)
        return covered(guest)

    assert both(observe, f"nop; {EXIT}; mov x0, #1; {EXIT}", vcpus=2) == [0, 4, 8, 12]


def test_more_blocks_than_there_was_room_for_are_all_kept(both):
    count = 6000
    source = "\n".join(["b . + 4"] * count) + f"\n{EXIT}"
    assert both(run(100_000), source) == list(range(0, 4 * count + 4, 4))


def test_covering_changes_no_count(both):
    def observe(guest) -> object:
        guest.engine.cover()
        first = guest.run(10), guest.engine.retired
        return first, (guest.run(7), guest.engine.retired), guest.engine.registers(0).x[0]

    def bare(guest) -> object:
        first = guest.run(10), guest.engine.retired
        return first, (guest.run(7), guest.engine.retired), guest.engine.registers(0).x[0]

    source = "again: add x0, x0, #1; cbnz x0, again"
    assert both(observe, source) == both(bare, source)
