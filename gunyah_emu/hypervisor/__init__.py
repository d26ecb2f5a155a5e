"""Gunyah's objects, a file each.

Pure Python: no Unicorn, no files, no clock, no randomness; what the objects need of those comes in through `platform`.
"""
