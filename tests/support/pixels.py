#!/usr/bin/python3
"""pixels.py FILE [FRAME] - what a DICOM image says, for comparing with a screen: one JSON line, then rows*columns
little-endian float32 in modality units (rescaled). Compressed files are decoded by DCMTK first, not by our codecs."""
import json
import subprocess
import sys
import tempfile

import numpy
import pydicom

DECODERS = ["dcmdjpeg", "dcmdjpls", "dcmdrle"]


def readable(path):
    d = pydicom.dcmread(path)
    if not d.file_meta.TransferSyntaxUID.is_compressed:
        return d
    for decoder in DECODERS:
        out = tempfile.NamedTemporaryFile(suffix=".dcm")
        if subprocess.run([decoder, path, out.name], capture_output=True).returncode == 0:
            d = pydicom.dcmread(out.name)
            if not d.file_meta.TransferSyntaxUID.is_compressed:
                d.pixel_array
                return d
    return d


d = readable(sys.argv[1])
frame = int(sys.argv[2]) if len(sys.argv) > 2 else 1
pixels = d.pixel_array
if int(d.get("NumberOfFrames", 1) or 1) > 1:
    pixels = pixels[frame - 1]
values = pixels.astype("<f4") * float(d.get("RescaleSlope", 1) or 1) + float(d.get("RescaleIntercept", 0) or 0)
first = lambda v: float(v[0] if isinstance(v, pydicom.multival.MultiValue) else v)
window = {"center": first(d.WindowCenter), "width": first(d.WindowWidth)} if "WindowCenter" in d and d.WindowCenter != "" else None
head = {"sop": d.SOPInstanceUID, "rows": int(d.Rows), "columns": int(d.Columns), "window": window,
        "isInverted": d.PhotometricInterpretation == "MONOCHROME1", "spacing": [float(x) for x in d.get("PixelSpacing", [])]}
sys.stdout.buffer.write((json.dumps(head) + "\n").encode())
sys.stdout.buffer.write(values.astype("<f4").tobytes())
