"""What the imports of a zygote have made that its forks can not simply go on with, and what is known to come next in them."""
from . import linux
from .fork_hooks import ForkHooks
from .reseed import Generators
from .tmp_files import TmpFiles


class Heritage:
    def __init__(self) -> None:
        self.fork_hooks = ForkHooks()
        self.generators = Generators()
        self.tmp_files = TmpFiles()
        self.touched: "list[tuple[int, int]]" = []
        """Pages that forks copy when their code runs, by ranges: first number, count."""

    def take_over(self) -> None:
        """In a fork that is a sandbox."""
        for first, count in self.touched:
            linux.populate(first, count)
        self.generators.reseed()
        if self.tmp_files.entries:
            self.tmp_files.put()
