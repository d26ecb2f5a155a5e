"""Gunyah's objects, a file each: pure Python, no Unicorn, no files, no clock, no randomness; those come in through `platform`."""
