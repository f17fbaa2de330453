"""Take one sample in a fresh process; print the seconds and the CPU seconds that the taking took.

Arguments: `tcp_info` takes one with tcp_info; a number holds so many sockets in CLOSE_WAIT meanwhile.
"""

import socket
import struct
import sys
import time

from tcptide.clock import SYSTEM
from tcptide.kernel.procfs import ProcFs
from tcptide.sampler import take_sample

listener = socket.create_server(("127.0.0.1", 0))
held = []
for _ in range(sum(int(word) for word in sys.argv[1:] if word.isdecimal())):
    with socket.create_connection(listener.getsockname()):
        held.append(listener.accept()[0])
    held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # its end leaves nothing behind
listener.close()

began, cpu_began = time.perf_counter(), time.process_time()
take_sample(ProcFs(), SYSTEM, tcp_info="tcp_info" in sys.argv, linger_seconds=0.0)
print(f"{time.perf_counter() - began:.6f} {time.process_time() - cpu_began:.6f}")
