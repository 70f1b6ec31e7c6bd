#!/usr/bin/python3
"""early_read.py plain FILE MB | early STUDY COUNT | head STUDY COUNT | whole STUDY COUNT - a read of which nothing is whole yet.

"plain" writes an object that has no first look, and says its study. The others ask the reader of a running site, as the doctor, and say what the
worklist and the reading page are told.
"""
import os
import sys

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import radpost_api as api

WAIT_S = 45
EXPLICIT_LE = "1.2.840.10008.1.2.1"
RAW = "1.2.840.10008.5.1.4.1.1.66"


def plain(path, megabytes):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = RAW, EXPLICIT_LE
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    d = Dataset()
    d.file_meta = meta
    d.SOPClassUID, d.SOPInstanceUID = RAW, meta.MediaStorageSOPInstanceUID
    d.StudyInstanceUID, d.SeriesInstanceUID = pydicom.uid.generate_uid(), pydicom.uid.generate_uid()
    d.PatientName, d.PatientID, d.Modality, d.StudyDate = "PLAIN^FILE", "PLAIN1", "MR", "20260131"
    d.add_new(0x00290010, "LO", "RADPOST TEST")
    d.add_new(0x00291001, "OB", os.urandom(int(megabytes) << 20))
    d.is_little_endian, d.is_implicit_VR = True, False
    d.save_as(path, write_like_original=False)
    print(d.StudyInstanceUID)


def read_when(study, claim, what):
    doctor = api.staff("DOCTOR")
    row = api.until(WAIT_S, lambda: (lambda r: r if r and claim(r) else None)(api.read_of(doctor, study)), what)
    print("  " + ", ".join(f"{key}={row[key]}" for key in ("modality", "received", "whole", "state")))
    return doctor, row


def early(study, count):
    doctor, row = read_when(study, lambda r: True, "a read of the study")
    assert row["received"] == count and row["whole"] == 0, row
    assert row["modality"] == "CT" and row["patient"]["id"] and row["patient"]["name"], row
    assert not row["doubts"] and not row["patient"]["is_other"], row
    standing = doctor.must("GET", f"/api/v1/studies/{study}/standing")
    assert standing["whole"] == 0 and standing["expected"] == count, standing
    preview = doctor.must("GET", f"/preview/studies/{study}")
    assert preview["looked"] > 0 and preview["words"], preview
    path = f"/api/v1/reads/{row['read']}"
    doctor.must("POST", path + "/claim")
    base = doctor.must("GET", path + "/report")["base"]
    base = doctor.must("PUT", path + "/draft", {"base": base, "exam": "CT", "findings": "…", "impression": "…"})["base"]
    base = doctor.must("POST", path + "/write", {"base": base})["base"]
    reviewer = api.staff("REVIEWER")
    reviewer.must("POST", path + "/claim")
    base = reviewer.must("POST", path + "/review", {"base": base, "accept": True})["base"]
    status, answer = reviewer.call("POST", path + "/sign", {"base": base})
    assert status == 409 and "not_whole" in str(answer), (status, answer)


def head(study, _):
    row = read_when(study, lambda r: True, "a read of the study")[1]
    assert row["received"] == 1 and row["whole"] == 0 and row["modality"] == "MR", row
    assert row["patient"]["id"] == "PLAIN1", row


def whole(study, count):
    read_when(study, lambda r: r["whole"] == count, f"{count} of {count} whole")


if __name__ == "__main__":
    if sys.argv[1] == "plain":
        plain(sys.argv[2], sys.argv[3])
    else:
        {"early": early, "head": head, "whole": whole}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
