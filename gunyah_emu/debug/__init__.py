"""Debuggers: a machine that stands between two instructions and moves both ways, and what is built on it."""
