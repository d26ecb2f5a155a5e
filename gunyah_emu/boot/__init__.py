"""What a VM starts from: images (ELF, Linux Image, raw), the device tree, and where each goes in memory.

Knows nothing of Gunyah and nothing of Unicorn: bytes in, bytes and addresses out.
"""
