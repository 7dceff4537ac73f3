# /// script
# dependencies = ["polars"]
# ///
import polars


def operate():
    frame = polars.DataFrame({"kind": ["a", "b"] * 5_000, "count": range(10_000)})
    grouped = frame.lazy().group_by("kind").agg(polars.col("count").sum()).sort("kind").collect()
    joined = frame.join(grouped, on="kind").filter(polars.col("count") < 3)
    return [grouped.rows(), joined.sort("count").rows(), polars.thread_pool_size() >= 1]
