"""What crosses the HVC boundary, as data: errors, rights, types, bit fields, declarations and both encodings.

This room knows no object and no CPU.  A hypercall is declared by its signature (`declare`), turned once into a flat
decoder (`decode`), and everything else that is said about it (documentation, traces, tests) reads the same
declaration.
"""
