"""What stands around a sandbox in the network tests: servers that answer, each in the namespace it is started in.

Prints `ready` when all listen. Arguments: one JSON object,

    {"tcp": [[address, port, what it says], …], "udp": [the same], "dns": [[address, zone], …]}

where a zone is {name: {"A": […], "AAAA": […], "CNAME": name, "ttl": seconds, "large": bool}}; an answer that is
large does not fit into a datagram. Names that were asked for are printed, one per line, as `asked <name>`.
"""
import json
import socket
import struct
import sys
import threading

KINDS = {"A": 1, "CNAME": 5, "TXT": 16, "AAAA": 28}
FREE_BIND, FREE_BIND_6 = 15, 78


def listen(address, port, kind):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, FREE_BIND_6, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, FREE_BIND, 1)
    sock.bind((address, port))
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    return sock


def say(sock, text):
    while True:
        peer, _address = sock.accept()
        threading.Thread(target=converse, args=(peer, text), daemon=True).start()


def converse(peer, text):
    """Says who it is, and then whatever it is told."""
    try:
        with peer:
            peer.sendall(text.encode())
            while data := peer.recv(65536):
                peer.sendall(data)
    except OSError:
        pass


def echo(sock, text):
    while True:
        data, sender = sock.recvfrom(65536)
        sock.sendto(text.encode() + b" " + data, sender)


def encoded(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def records(zone, name, kind, found):
    entry = zone.get(name)
    if entry is None:
        return found
    ttl = entry.get("ttl", 60)
    if "CNAME" in entry:
        found.append((name, KINDS["CNAME"], ttl, encoded(entry["CNAME"])))
        return records(zone, entry["CNAME"], kind, found)
    for label, family in (("A", socket.AF_INET), ("AAAA", socket.AF_INET6)):
        if kind == KINDS[label]:
            found += [(name, kind, ttl, socket.inet_pton(family, text)) for text in entry.get(label, [])]
    if kind == KINDS["TXT"] and "TXT" in entry:
        found.append((name, kind, ttl, bytes([len(entry["TXT"])]) + entry["TXT"].encode()))
    return found


def answer(zone, question, by_datagram):
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode("latin-1"))
        at += 1 + question[at]
    kind = struct.unpack_from("!H", question, at + 1)[0]
    name = ".".join(labels).lower()
    sys.stdout.write(f"asked {name}\n")
    sys.stdout.flush()
    entry = zone.get(name)
    truncated = by_datagram and entry is not None and entry.get("large", False)
    found = [] if truncated else records(zone, name, kind, [])
    flags = 0x8180 | (0x0200 if truncated else 0) | (3 if entry is None else 0)
    body = b"".join(
        encoded(owner) + struct.pack("!HHIH", one, 1, ttl, len(data)) + data for owner, one, ttl, data in found
    )
    return question[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + question[12 : at + 5] + body


def resolve_datagrams(sock, zone):
    while True:
        question, sender = sock.recvfrom(4096)
        sock.sendto(answer(zone, question, True), sender)


def resolve_connections(sock, zone):
    while True:
        peer, _address = sock.accept()
        with peer:
            (length,) = struct.unpack("!H", peer.recv(2, socket.MSG_WAITALL))
            told = answer(zone, peer.recv(length, socket.MSG_WAITALL), False)
            peer.sendall(struct.pack("!H", len(told)) + told)


def main():
    asked = json.loads(sys.argv[1])
    work = [(say, listen(address, port, socket.SOCK_STREAM), text) for address, port, text in asked.get("tcp", [])]
    work += [(echo, listen(address, port, socket.SOCK_DGRAM), text) for address, port, text in asked.get("udp", [])]
    for address, zone in asked.get("dns", []):
        work.append((resolve_datagrams, listen(address, 53, socket.SOCK_DGRAM), zone))
        work.append((resolve_connections, listen(address, 53, socket.SOCK_STREAM), zone))
    for target, sock, argument in work:
        threading.Thread(target=target, args=(sock, argument), daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()


main()
