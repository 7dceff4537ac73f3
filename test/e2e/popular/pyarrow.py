# /// script
# dependencies = ["pyarrow"]
# ///
import io

import pyarrow
import pyarrow.compute
import pyarrow.parquet


def operate():
    table = pyarrow.table({"kind": ["a", "b"] * 5_000, "count": range(10_000)})
    written = io.BytesIO()
    pyarrow.parquet.write_table(table, written)
    again = pyarrow.parquet.read_table(io.BytesIO(written.getvalue()))
    grouped = again.group_by("kind").aggregate([("count", "sum")]).sort_by("kind")
    return [grouped.to_pylist(), pyarrow.compute.max(again["count"]).as_py()]
