"""Lets the models import what they share, which pytest's importlib mode otherwise keeps apart."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
