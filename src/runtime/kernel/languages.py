"""Which module of this directory runs which language's kernels: each has `start(session) -> Kernel` (session.py)."""

KERNELS = {"python": "python_kernel"}
