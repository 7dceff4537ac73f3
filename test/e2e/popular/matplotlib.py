# /// script
# dependencies = ["matplotlib"]
# ///
import hashlib
import io

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


def operate():
    figure, axes = pyplot.subplots(figsize=(2, 1))
    axes.plot([1, 3, 2])
    axes.set_title("title")
    image = io.BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})
    return [matplotlib.get_backend().lower(), hashlib.sha256(image.getvalue()).hexdigest()]
