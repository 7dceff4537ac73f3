# /// script
# dependencies = ["numba"]
# ///
import numba
import numpy


@numba.njit
def total(values):
    sum = 0.0
    for value in values:
        sum += value * value
    return sum


def operate():
    return [total(numpy.arange(1_000.0)), numba.typeof(1).name]
