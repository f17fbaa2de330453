"""Take one sample in a fresh process; print the seconds and the CPU seconds that the taking took."""

import time

from tcptide.clock import SYSTEM
from tcptide.kernel.procfs import ProcFs
from tcptide.sampler import take_sample

began, cpu_began = time.perf_counter(), time.process_time()
take_sample(ProcFs(), SYSTEM)
print(f"{time.perf_counter() - began:.6f} {time.process_time() - cpu_began:.6f}")
