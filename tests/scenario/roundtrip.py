#!/usr/bin/python3
"""roundtrip.py SENT PEER_AET WORK - fetch every study of the files in SENT by WADO-RS (as stored, and as explicit
little endian) and by C-GET, and let the judge compare pixels and data set with what was sent.

Addresses come from the environment (addresses.env). Retrieval is by urllib and by DCMTK's getscu, and by our own
tool_getscu for the lossy syntaxes that getscu cannot name; digests are by tests/support/digests.py, which shares no code
with what is judged. Exit 1 with a line for each difference.
"""
import email.parser
import json
import os
import re
import subprocess
import sys
import urllib.request

import pydicom

HERE = os.path.dirname(os.path.abspath(__file__))
JUDGE = os.path.join(HERE, "..", "support", "digests.py")
URL, TOKEN = os.environ["RADPOST_DICOMWEB_URL"], os.environ["RADPOST_DICOMWEB_TOKEN"]
TS = "1.2.840.10008.1.2"
NATIVE = {TS, TS + ".1", TS + ".2", TS + ".1.99"}
# Decoded pixels of these are not the sent ones: only the stored form can be compared.
LOSSY = {TS + ".4." + n for n in ("50", "51", "53", "55", "81", "91", "203", "102", "103", "104", "105", "106", "107", "108")}
# getscu's option that lets a stored syntax through as it is
GETSCU = {
    TS + ".4.57": None, TS + ".4.70": "+xs", TS + ".4.50": "+xy", TS + ".4.51": "+xx", TS + ".4.90": "+xv", TS + ".4.91": "+xw",
    TS + ".4.80": "+xt", TS + ".4.81": "+xu", TS + ".5": "+xr", TS + ".1.99": "+xd", TS + ".4.102": "+xn",
}


def digests(folder):
    """SOP Instance UID > what the judge says, and its study"""
    names = sorted(os.path.join(folder, n) for n in os.listdir(folder))
    if not names:
        return {}
    run = subprocess.run([JUDGE, *names], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"the judge failed: {run.stderr[-2000:]}")
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    for row in rows:
        if "error" in row:
            sys.exit(f"the judge cannot read {row['file']}: {row['error']}")
        tags = pydicom.dcmread(row["file"], stop_before_pixels=True, specific_tags=["StudyInstanceUID", "SOPClassUID"])
        row["study"], row["class"] = str(tags.StudyInstanceUID), str(tags.SOPClassUID)
    return {r["sop_instance"]: r for r in rows}


def wado(study, accept, out):
    os.makedirs(out)
    request = urllib.request.Request(f"{URL}/studies/{study}", headers={"Authorization": f"Bearer {TOKEN}", "Accept": accept})
    with urllib.request.urlopen(request, timeout=300) as answer:
        kind, body = answer.headers["Content-Type"], answer.read()
    boundary = re.search(r'boundary="?([^";]+)', kind).group(1).encode()
    parts = body.split(b"--" + boundary)
    for n, part in enumerate(parts[1:-1]):
        head, _, data = part.lstrip(b"\r\n").partition(b"\r\n\r\n")
        if email.parser.BytesParser().parsebytes(head + b"\r\n\r\n").get_content_type() != "application/dicom":
            sys.exit(f"study {study}: a part of type {head!r}")
        with open(f"{out}/{n:05d}", "wb") as f:
            f.write(data[:-2])
    if not parts[-1].startswith(b"--"):
        sys.exit(f"study {study}: the answer does not end with its boundary")


def cget(study, option, peer, out):
    os.makedirs(out)
    command = ["getscu", "-q", "+B", "-aet", peer, "-aec", os.environ["RADPOST_STORAGE_AET"], "-S", "-k", "0008,0052=STUDY",
               "-k", f"0020,000d={study}", "-od", out, *([option] if option else []), "127.0.0.1", os.environ["RADPOST_STORAGE_DICOM_PORT"]]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if run.returncode != 0:
        sys.exit(f"study {study}: getscu: {run.stderr[-1000:]}")


def own_cget(study, syntax, sop_class, peer, out):
    os.makedirs(out)
    command = [os.path.join(os.environ["RADPOST_BIN"], "tool_getscu"), os.environ["RADPOST_STORAGE_DICOM_PORT"], peer,
               os.environ["RADPOST_STORAGE_AET"], study, syntax, sop_class, out]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if run.returncode != 0:
        sys.exit(f"study {study}: {run.stderr[-1000:]}")


def compare(way, sent, got, wrong):
    for sop, row in sent.items():
        other = got.get(sop)
        if other is None:
            wrong.append(f"{way}: {sop} ({row['syntax']}) did not come back")
            continue
        for what in ("pixels", "dataset"):
            if row[what] != other[what]:
                wrong.append(f"{way}: {sop} ({row['syntax']} > {other['syntax']}): {what} differ")
    for sop in got.keys() - sent.keys():
        wrong.append(f"{way}: {sop} was never sent")


def main():
    folder, peer, work = sys.argv[1:4]
    sent = digests(folder)
    if not sent:
        sys.exit(f"nothing to judge in {folder}")
    studies, wrong, counts = {}, [], {"stored": 0, "explicit": 0, "cget": 0}
    for sop, row in sent.items():
        studies.setdefault(row["study"], {})[sop] = row
    for n, (study, rows) in enumerate(sorted(studies.items())):
        syntaxes = {r["syntax"] for r in rows.values()}
        base = f"{work}/{n}"
        wado(study, 'multipart/related; type="application/dicom"; transfer-syntax=*', base + "-stored")
        compare("WADO-RS as stored", rows, digests(base + "-stored"), wrong)
        counts["stored"] += len(rows)
        if not syntaxes & LOSSY:
            wado(study, 'multipart/related; type="application/dicom"', base + "-explicit")
            got = digests(base + "-explicit")
            compare("WADO-RS explicit", rows, got, wrong)
            wrong += [f"WADO-RS explicit: {s} came in {r['syntax']}" for s, r in got.items() if r["syntax"] != TS + ".1"]
            counts["explicit"] += len(rows)
        syntax = sorted(syntaxes)[0]
        if syntax in LOSSY and syntax not in GETSCU:
            classes = {r["class"] for r in rows.values()}
            if len(syntaxes) != 1 or len(classes) != 1:
                sys.exit(f"study {study}: {syntaxes} of {classes}: one of each at a time")
            own_cget(study, syntax, classes.pop(), peer, base + "-cget")
        else:
            cget(study, GETSCU.get(syntax), peer, base + "-cget")
        compare("C-GET", rows, digests(base + "-cget"), wrong)
        counts["cget"] += len(rows)
    print("\n".join(wrong) if wrong else f"{len(sent)} instances equal: WADO-RS {counts['stored']} as stored, "
          f"{counts['explicit']} explicit; C-GET {counts['cget']}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
