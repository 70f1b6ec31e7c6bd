#!/usr/bin/python3
"""fresh_uids.py OUT SRC... [--each] - copies of DICOM files with new study, series and instance UIDs.

A new UID has the old one's length and takes its place byte for byte, so that everything else stays as it was,
in every transfer syntax. Files of one study stay one study; with --each every file becomes a study of its own.
Prints the new Study Instance UIDs, one a line.
"""
import os
import random
import sys
import zlib

import pydicom

DEFLATED = "1.2.840.10008.1.2.1.99"
KINDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def fresh_uid(length):
    """A UID below 2.25 of this length (the real ones have at least 20 characters)."""
    digits = "".join(random.SystemRandom().choice("0123456789") for _ in range(length - 6))
    return "2.25." + random.SystemRandom().choice("123456789") + digits


def files(sources):
    for source in sources:
        if os.path.isfile(source):
            yield source
        for folder, _, names in sorted(os.walk(source)):
            for name in sorted(names):
                if name != "DICOMDIR":
                    yield os.path.join(folder, name)


def deflated_start(data):
    """Where the data set begins: after group 2 (its length is always the first element)."""
    return 132 + 12 + int.from_bytes(data[140:144], "little")


def main():
    words = [w for w in sys.argv[1:] if w != "--each"]
    each = "--each" in sys.argv
    out, sources = words[0], words[1:]
    os.makedirs(out, exist_ok=True)
    new, studies = {}, []
    for n, path in enumerate(files(sources)):
        head = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        if len(str(head.get("StudyInstanceUID", ""))) < 12 or len(str(head.get("SOPInstanceUID", ""))) < 12:
            print(f"{path}: without UIDs, left out", file=sys.stderr)
            continue
        with open(path, "rb") as f:
            data = f.read()
        start = 0
        if str(head.file_meta.get("TransferSyntaxUID", "")) == DEFLATED:
            start = deflated_start(data)
            data = data[:start] + zlib.decompressobj(-15).decompress(data[start:])
        pairs = {}
        for kind in KINDS:
            old = str(head.get(kind, ""))
            if len(old) < 12:
                continue
            key = (kind, path if each or kind == "SOPInstanceUID" else "", old)
            pairs[old.encode()] = new.setdefault(key, fresh_uid(len(old))).encode()
        for old in sorted(pairs, key=len, reverse=True):
            data = data.replace(old, pairs[old])
        if start:
            squeeze = zlib.compressobj(6, zlib.DEFLATED, -15)
            body = squeeze.compress(data[start:]) + squeeze.flush()
            data = data[:start] + body + b"\0" * (len(body) & 1)
        with open(os.path.join(out, f"{n:05d}.dcm"), "wb") as f:
            f.write(data)
        study = pairs[str(head.StudyInstanceUID).encode()].decode()
        if study not in studies:
            studies.append(study)
    print("\n".join(studies))


if __name__ == "__main__":
    main()
