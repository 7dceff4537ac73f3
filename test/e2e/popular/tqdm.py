# /// script
# dependencies = ["tqdm"]
# ///
import io

from tqdm import tqdm


def operate():
    written = io.StringIO()
    total = sum(tqdm(range(50), file=written, mininterval=0, ncols=60))
    return [total, "100%" in written.getvalue(), "50/50" in written.getvalue()]
