"""What a guest finds on its bus: UART, real-time clock, and semihosting, which is no device but does a console's work.

A device has two methods, `read(offset, size) -> int | None` and `write(offset, size, value) -> bool`; None and False
are external aborts.  Everything else that it needs (an interrupt line, a place for output, the time) comes in through
its constructor as a callable.
"""
