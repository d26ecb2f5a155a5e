"""The stepper: from hypercall to hypercall, from interrupt to interrupt, forwards and backwards.

`Stepper` moves a machine and says what it finds; `verbs` declares what a person can ask for, once for keys, scripts and
help; `batch` runs scripts; `app` is a thin layer of textual over all of it.
"""
