# /// script
# dependencies = ["protobuf"]
# ///
from google.protobuf import descriptor_pb2, json_format, struct_pb2, timestamp_pb2


def operate():
    value = struct_pb2.Struct()
    value.update({"a": [1, True, None], "b": {"c": "d"}})
    again = struct_pb2.Struct.FromString(value.SerializeToString(deterministic=True))
    file = descriptor_pb2.FileDescriptorProto(name="x.proto", package="x")
    return [json_format.MessageToDict(again), file.SerializeToString().hex(), timestamp_pb2.Timestamp(seconds=1).ToJsonString()]
