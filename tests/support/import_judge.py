#!/usr/bin/python3
"""import_judge KIND DICOM SOURCE - is the instance what the source file was? pydicom reads the one, code of its own the other.

ecg: every sample in microvolts, every lead; pdf, jpeg, mp4: the bytes; mp4 also against ffprobe when it is there."""
import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pydicom
from pydicom.encaps import decode_data_sequence

LEADS = {"I": 1, "II": 2, "III": 61, "aVR": 62, "aVL": 63, "aVF": 64, **{f"V{i}": i + 2 for i in range(1, 7)}}


def beat(lead, count):
    """The generator of tests/support/import_files.c, written again."""
    i = np.arange(count, dtype=np.float64)
    t = np.fmod(i / 500.0 + lead * 0.01, 0.9)
    v = (2200 * np.exp(-((t - 0.3) / 0.012) ** 2) - 500 * np.exp(-((t - 0.33) / 0.012) ** 2)
         + 300 * np.exp(-((t - 0.55) / 0.05) ** 2) + 150 * np.exp(-((t - 0.15) / 0.03) ** 2))
    noise = ((np.arange(count, dtype=np.uint64) * 2654435761 & 0xFFFFFFFF) ^ (lead * 40503)) >> 28
    return np.trunc(v * (1 if lead % 2 else -1) + noise.astype(np.int64) - 8)


def aecg(path):
    """lead > microvolts, and Hz."""
    ns = {"h": "urn:hl7-org:v3"}
    leads, hertz = {}, 0
    for s in ET.parse(path).getroot().iterfind(".//h:sequenceSet/h:component/h:sequence", ns):
        code, value = s.find("h:code", ns).get("code"), s.find("h:value", ns)
        if code.startswith("TIME_"):
            hertz = 1 / float(value.find("h:increment", ns).get("value"))
        else:
            scale, origin = (float(value.find(f"h:{k}", ns).get("value")) for k in ("scale", "origin"))
            digits = np.array(value.find("h:digits", ns).text.split(), dtype=np.float64)
            leads[LEADS[code[13:]]] = digits * scale + origin
    return leads, hertz


def judge_ecg(ds, path):
    group = ds.WaveformSequence[0]
    raw = ds.waveform_array(0)  # pydicom applies sensitivity, correction and baseline
    count = group.NumberOfWaveformSamples
    if path.endswith(".xml"):
        want, hertz = aecg(path)
    else:
        want, hertz = {int(c.ChannelSourceSequence[0].CodeValue[2:]): None for c in group.ChannelDefinitionSequence}, 500
        want = {lead: beat(lead, count) * 2.5 for lead in want}
    assert abs(float(group.SamplingFrequency) - hertz) < 1e-6, (group.SamplingFrequency, hertz)
    assert len(want) == group.NumberOfWaveformChannels
    for i, c in enumerate(group.ChannelDefinitionSequence):
        code, unit = c.ChannelSourceSequence[0], c.ChannelSensitivityUnitsSequence[0]
        assert code.CodingSchemeDesignator == "MDC", code
        assert (unit.CodeValue, unit.CodingSchemeDesignator) == ("uV", "UCUM"), unit
        lead = int(code.CodeValue[2:])
        assert LEADS[c.ChannelLabel] == lead, (c.ChannelLabel, lead)
        wrong = np.flatnonzero(raw[:, i] != want[lead])
        # the generator's exp() may round to a neighbour in another library: only where it is not the file's own number
        assert len(wrong) == 0 or (path.endswith(".scp") and np.abs(raw[wrong, i] - want[lead][wrong]).max() <= 2.5
                                   and len(wrong) < count // 100), (c.ChannelLabel, wrong[:5], raw[wrong[:5], i])
    assert ds.AcquisitionDateTime == "20261120083015" and ds.Modality == "ECG"


def judge_bytes(kind, ds, path):
    with open(path, "rb") as f:
        source = f.read()
    if kind == "pdf":
        assert ds.EncapsulatedDocument[:ds.EncapsulatedDocumentLength] == source and ds.MIMETypeOfEncapsulatedDocument == "application/pdf"
        return
    fragments = list(decode_data_sequence(ds.PixelData))
    assert len(fragments) == 1 and fragments[0][:len(source)] == source and len(fragments[0]) - len(source) in (0, 1)
    if kind == "mp4" and shutil.which("ffprobe"):
        said = json.loads(subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_streams", "-of", "json", path],
                                         capture_output=True, check=True).stdout)["streams"][0]
        assert (ds.Columns, ds.Rows, int(ds.NumberOfFrames)) == (said["width"], said["height"], int(said["nb_read_frames"])), said
        top, bottom = said["r_frame_rate"].split("/")
        assert abs(float(ds.FrameTime) - 1000 * int(bottom) / int(top)) < 0.5, (ds.FrameTime, said["r_frame_rate"])


def main():
    kind, dicom, source = sys.argv[1:]
    ds = pydicom.dcmread(dicom)
    assert ds.SpecificCharacterSet == "ISO_IR 192" and ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    if kind == "ecg":
        judge_ecg(ds, source)
    else:
        judge_bytes(kind, ds, source)
    print(kind, ds.SOPClassUID.name, ds.file_meta.TransferSyntaxUID.name)


main()
