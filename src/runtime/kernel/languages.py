"""Which module of this directory runs which language's kernels: each has `start(session) -> Kernel` (session.py)."""

# The cells of all others are programs.
_KERNELS = {"python": "python_kernel", "nodejs": "node_kernel", "bash": "bash_kernel"}


def module_of(language: str) -> str:
    return _KERNELS.get(language, "program_kernel")
