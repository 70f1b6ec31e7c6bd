"""worklist_judge.py FOLDER SET (ACCESSION NAME DESCRIPTION)... - are findscu's rsp*.dcm these orders, in this set?
pydicom reads them by what they declare; of GBK-AS-IR100 the bytes are looked at as an old console shows them."""
import glob
import sys

import pydicom

DECLARED = {"ISO_IR192": "ISO_IR 192", "GB18030": "GB18030", "IR58": ["", "ISO 2022 IR 58"], "GBK-AS-IR100": "ISO_IR 100", "none": None}


def text(ds, keyword, kind):
    value = ds[keyword].value
    if kind == "GBK-AS-IR100":
        raw = value.original_string if hasattr(value, "original_string") else value.encode("latin-1")
        return raw.rstrip(b" ").decode("gbk")
    if kind == "IR58":  # pydicom 2.3 leaves the escape in the text, of the standard's own sample as well
        value = str(value).replace("\x1b$)A", "")
    return str(value).rstrip(" =") if keyword == "PatientName" else str(value)


def main():
    folder, kind, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
    rows = {}
    for path in sorted(glob.glob(folder + "/rsp*")):
        ds = pydicom.dcmread(path, force=True)
        declared = ds.get("SpecificCharacterSet", None)
        declared = list(declared) if isinstance(declared, pydicom.multival.MultiValue) else declared
        if declared != DECLARED[kind]:
            sys.exit(f"{path}: declared {declared!r}, wanted {DECLARED[kind]!r}")
        step = ds.ScheduledProcedureStepSequence[0]
        description = text(ds, "RequestedProcedureDescription", kind)
        if len(ds.StudyInstanceUID) > 64 or step.Modality not in ("CT", "MR"):
            sys.exit(f"{path}: study or modality")
        rows[ds.AccessionNumber] = [text(ds, "PatientName", kind), description]
    want = {wanted[i]: wanted[i + 1:i + 3] for i in range(0, len(wanted), 3)}
    if rows != want:
        sys.exit(f"{folder}: got {rows}, wanted {want}")


main()
