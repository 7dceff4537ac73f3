"""What runs in a sandbox: a fork of its zygote, or an interpreter that was started there for it alone."""
from dataclasses import dataclass

_NODE_MAIN = "/runtime/isla_node/main.mjs"
# One thread beside the main one for the compiler and the collector: a sandbox has a share of a core, mostly.
_NODE_FLAGS = ("--v8-pool-size=1",)
_NODE_YOUNG_MB_MAX = 16
_NODE_YOUNG_PART = 32
_NODE_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "USER": "sandbox",
    "LOGNAME": "sandbox",
    "LANG": "C.UTF-8",
    "TZ": ":UTC",
}


@dataclass(frozen=True)
class Program:
    name: str
    """fork, python or node"""
    heap_mb: "int | None" = None
    """Node's, which it must know when it starts."""

    @property
    def is_launched(self) -> bool:
        """It is executed on the spawner's word, when the sandbox has been looked at."""
        return self.name == "node"

    def launch(self, node: str) -> dict:
        """What the child is told to execute."""
        # What is young takes three times this. Left to itself V8 takes 48 MB for it on top, however small the heap is.
        young_mb = max(1, min(_NODE_YOUNG_MB_MAX, self.heap_mb // _NODE_YOUNG_PART))
        sizes = [f"--max-old-space-size={max(1, self.heap_mb - 3 * young_mb)}", f"--max-semi-space-size={young_mb}"]
        arguments = [node, *_NODE_FLAGS, *sizes, _NODE_MAIN]
        return {"arguments": arguments, "environment": _NODE_ENVIRONMENT}


FORK = Program("fork")
