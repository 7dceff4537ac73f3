# /// script
# dependencies = ["joblib", "numpy"]
# ///
import joblib
import numpy


def half(values):
    return float(numpy.sum(values) / 2)


def operate():
    threads = joblib.Parallel(n_jobs=2, prefer="threads")(joblib.delayed(half)(numpy.arange(n)) for n in range(4))
    processes = joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(-n) for n in range(4))
    return [threads, processes]
