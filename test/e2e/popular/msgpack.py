# /// script
# dependencies = ["msgpack"]
# ///
import msgpack


def operate():
    packed = msgpack.packb({"a": [1, 2.5, None, b"x"], "t": msgpack.Timestamp(1, 2)})
    return [packed.hex(), str(msgpack.unpackb(packed)), msgpack.Packer.__module__]
