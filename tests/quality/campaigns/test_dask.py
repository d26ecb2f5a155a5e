"""A campaign on a Dask cluster gives what it gives here, also when one of two workers is killed midway."""

import os
import signal
from pathlib import Path

import pytest

from gunyah_emu.testing import fault_report
from gunyah_emu.testing.bundle import bundle_of
from gunyah_emu.testing.campaign import Campaign, Workforce, variants
from gunyah_emu.testing.fault_search import Choice, search

PLANTED = Path(__file__).parents[3] / "guest_images" / "planted" / "machine.toml"
CHOICE = Choice(variants([], [], []), calls=("doorbell_reset", "msgqueue_receive"))

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def reported(workforce: Workforce, progress) -> str:
    campaign = Campaign(bundle_of([str(PLANTED)]), workforce, "test")
    return fault_report.as_json(search(campaign, CHOICE, progress)[1])


def test_a_cluster_that_loses_a_worker_midway_gives_the_same_report():
    from distributed import Client, LocalCluster

    killed = []

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with Client(cluster, set_as_default=False) as client:
            pids = list(client.run(os.getpid).values())
        assert len(set(pids)) == 2

        def killing(stage):
            def tell(done, _total):
                if stage == "with faults" and done == 3 and not killed:
                    killed.append(pids[0])
                    os.kill(pids[0], signal.SIGKILL)

            return tell

        there = reported(Workforce(dask=cluster.scheduler_address), killing)
    here = reported(Workforce(jobs=1), lambda _stage: lambda _done, _total: None)
    assert killed
    assert there == here
