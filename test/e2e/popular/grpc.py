# /// script
# dependencies = ["grpcio"]
# ///
from concurrent import futures

import grpc


def operate():
    server = grpc.server(futures.ThreadPoolExecutor(2))
    echo = grpc.unary_unary_rpc_method_handler(lambda request, _context: request[::-1])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("probe.Probe", {"Echo": echo})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        said = channel.unary_unary("/probe.Probe/Echo")(b"hello", timeout=10)
    server.stop(None).wait()
    return said.decode()
