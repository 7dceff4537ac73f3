# /// script
# dependencies = ["pillow"]
# ///
import hashlib
import io

from PIL import Image, ImageDraw, ImageFilter


def operate():
    image = Image.new("RGB", (64, 32), "navy")
    ImageDraw.Draw(image).ellipse((8, 4, 56, 28), fill="orange")
    written = io.BytesIO()
    image.filter(ImageFilter.GaussianBlur(2)).save(written, "JPEG")
    again = Image.open(io.BytesIO(written.getvalue()))
    return [again.size, hashlib.sha256(again.tobytes()).hexdigest()]
