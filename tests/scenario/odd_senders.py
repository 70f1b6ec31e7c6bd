#!/usr/bin/python3
"""odd_senders.py WAY FOLDER - send each file there to the gateway as some devices send theirs: what stands before a data set
in a file (group 0002) goes along with it, in this or that coding, or a few zeros behind it. Over sockets of our own, for no
stock sender does so. Addresses come from the environment (addresses.env). Exit 1 unless each is answered 0000H.
"""
import os
import socket
import struct
import sys

ENV = os.environ
IMPLICIT, JPEG = b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.4.70"
PLAIN_META = struct.pack("<HHII", 2, 0, 4, 26) + struct.pack("<HHI", 2, 0x10, 18) + IMPLICIT
FULL_META = (struct.pack("<HH2sHI", 2, 0, b"UL", 4, 58) + struct.pack("<HH2sHI", 2, 1, b"OB", 0, 2) + b"\0\1"
             + struct.pack("<HH2sH", 2, 3, b"UI", 6) + b"9.9.9\0" + struct.pack("<HH2sH", 2, 0x10, b"UI", 22) + JPEG)
# before the data set, behind it
WAYS = {"meta-without-vr": (PLAIN_META, b""), "meta-of-jpeg": (FULL_META, b""), "one-zero": (b"", b"\0"),
        "seven-zeros": (b"", b"\0" * 7), "both": (FULL_META, b"\0\0")}
PIECE = 16000


def read_file(path):
    """Class, instance, transfer syntax, data set; the meta group ends where its length says."""
    with open(path, "rb") as f:
        data = f.read()
    at, end, said = 132, 144 + struct.unpack_from("<I", data, 140)[0], {}
    while at < end:
        element, vr, n = struct.unpack_from("<H2sH", data, at + 2)
        head = 8
        if vr == b"OB":
            n, head = struct.unpack_from("<I", data, at + 8)[0], 12
        said[element] = data[at + head:at + head + n].rstrip(b"\0")
        at += head + n
    return said[2], said[3], said[0x10], data[end:]


def item(kind, body):
    return struct.pack(">BBH", kind, 0, len(body)) + body


def pdu(kind, body):
    return struct.pack(">BBI", kind, 0, len(body)) + body


def receive(s):
    def exactly(n):
        got = b""
        while len(got) < n:
            more = s.recv(n - len(got))
            if not more:
                raise AssertionError("the gateway hung up")
            got += more
        return got

    kind, _, n = struct.unpack(">BBI", exactly(6))
    return kind, exactly(n)


def element(number, value):
    if isinstance(value, int):
        value = struct.pack("<H", value)
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHI", 0, number, len(value)) + value


def send(path, before, behind):
    sop_class, sop_instance, syntax, data = read_file(path)
    context = item(0x20, struct.pack(">BBBB", 1, 0, 0, 0) + item(0x30, sop_class) + item(0x40, syntax))
    user = item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3"))
    called, calling = (ENV[k].encode().ljust(16) for k in ("RADPOST_GATEWAY_AET", "RADPOST_MODALITY_AET"))
    command = element(2, sop_class) + element(0x100, 1) + element(0x110, 1) + element(0x700, 0) + element(0x800, 1)
    command += element(0x1000, sop_instance)
    command = struct.pack("<HHII", 0, 0, 4, len(command)) + command
    data = before + data + behind
    with socket.create_connection(("127.0.0.1", int(ENV["PORT_GATEWAY_DICOM"])), 60) as s:
        s.sendall(pdu(1, struct.pack(">HH", 1, 0) + called + calling + bytes(32) + item(0x10, b"1.2.840.10008.3.1.1.1") + context + user))
        assert receive(s)[0] == 2, f"{path}: not let in"
        s.sendall(pdu(4, struct.pack(">IBB", len(command) + 2, 1, 3) + command))
        for at in range(0, len(data), PIECE):
            piece = data[at:at + PIECE]
            s.sendall(pdu(4, struct.pack(">IBB", len(piece) + 2, 1, 2 if at + PIECE >= len(data) else 0) + piece))
        kind, answer = receive(s)
        assert kind == 4 and struct.pack("<HHIH", 0, 0x900, 2, 0) in answer, f"{path}: {kind} {answer.hex()}"
        s.sendall(pdu(5, bytes(4)))
        receive(s)


def main():
    way, folder = sys.argv[1:]
    for name in sorted(os.listdir(folder)):
        send(os.path.join(folder, name), *WAYS[way])


if __name__ == "__main__":
    main()
