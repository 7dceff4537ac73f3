"""What the imports of a zygote have made that its forks can not simply go on with."""
from .fork_hooks import ForkHooks
from .reseed import Generators
from .tmp_files import TmpFiles


class Heritage:
    def __init__(self) -> None:
        self.fork_hooks = ForkHooks()
        self.generators = Generators()
        self.tmp_files = TmpFiles()

    def take_over(self) -> None:
        """In a fork that is a sandbox."""
        self.generators.reseed()
        if self.tmp_files.entries:
            self.tmp_files.put()
