"""The page that describes traces is what the declarations say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_page_is_fresh():
    done = subprocess.run([sys.executable, "tools/trace_page.py", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0, "run `make docs`"
