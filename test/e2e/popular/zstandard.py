# /// script
# dependencies = ["zstandard"]
# ///
import zstandard


def operate():
    packed = zstandard.ZstdCompressor(level=9, threads=2).compress(b"hello " * 20_000)
    return [len(packed) < 1_000, zstandard.ZstdDecompressor().decompress(packed).count(b"hello"), zstandard.backend]
