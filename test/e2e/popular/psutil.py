# /// script
# dependencies = ["psutil"]
# ///
import os

import psutil


def operate():
    own = psutil.Process()
    with own.oneshot():
        return [own.pid == os.getpid(), own.num_threads(), own.memory_info().rss > 0, psutil.pids() == [1], psutil.cpu_count() >= 1]
