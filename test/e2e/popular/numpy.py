# /// script
# dependencies = ["numpy"]
# ///
import numpy


def operate():
    matrix = numpy.arange(90_000.0).reshape(300, 300) % 7
    draws = numpy.random.default_rng(7).normal(size=3)
    return [numpy.__version__, float((matrix @ matrix).trace()), [float(x) for x in draws], float(numpy.linalg.norm(matrix))]
