# /// script
# dependencies = ["pandas"]
# ///
import pandas


def operate():
    frame = pandas.DataFrame({"day": pandas.date_range("2024-02-27", periods=6), "kind": list("aabbcc"), "count": range(6)})
    by_kind = frame.groupby("kind")["count"].agg(["sum", "mean"])
    return [by_kind.to_csv(), frame.set_index("day").resample("W")["count"].sum().tolist(), frame.to_json(date_format="iso")]
