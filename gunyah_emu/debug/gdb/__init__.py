"""A server of GDB's remote serial protocol: one inferior per VM, one thread per vCPU, all-stop.

`framing` cuts bytes into packets; `table` knows every packet's parser and handler, and what is advertised is read from
there; `packets/` holds a file per family; `stub` is the state that they share; `server` is the socket.

Source: the GDB manual, appendix "GDB Remote Serial Protocol" (GDB 13).
"""
