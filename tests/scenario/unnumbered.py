#!/usr/bin/python3
"""unnumbered.py make DEMO SENT | judge SENT - images whose study has no number that can be used, and what became of them.

"make" takes six slices: two without a Study Instance UID, two without Study and Series Instance UID, of another person, and
two of the study "1.2.abc". "judge" asks the desk, the archive and the reader of a running site.
"""
import email.parser
import io
import os
import re
import sys
import urllib.request

import pydicom

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import radpost_api as api

ENV = os.environ
WAIT_S = 120
EXPLICIT_LE = "1.2.840.10008.1.2.1"
# Patient ID, name, Study and Series Instance UID; None: left out
PEOPLE = {
    "empty": ("T0017842", "WANG^AN", "", "1.2.3.4.5"),
    "none": ("T0017843", "LI^BO", None, None),
    "letters": ("T0017844", "SUN^CE", "1.2.abc", "1.2.3.4.6"),
}


def make(demo, out):
    os.makedirs(out)
    slices = sorted(os.path.join(folder, n) for folder, _, names in os.walk(demo) for n in names)[:6]
    for n, path in enumerate(slices):
        kind = sorted(PEOPLE)[n // 2]
        patient, name, study, series = PEOPLE[kind]
        image = pydicom.dcmread(path)
        image.PatientID, image.PatientName = patient, name
        for keyword, uid in (("StudyInstanceUID", study), ("SeriesInstanceUID", series)):
            if uid is None:
                delattr(image, keyword)
            else:
                setattr(image, keyword, uid)
        image.save_as(os.path.join(out, f"{kind}-{n}.dcm"), write_like_original=True)


def archive(path, accept):
    request = urllib.request.Request(ENV["RADPOST_DICOMWEB_URL"] + path,
                                     headers={"Authorization": f"Bearer {ENV['RADPOST_DICOMWEB_TOKEN']}", "Accept": accept})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.headers["Content-Type"], answer.read()


def instances(study):
    """SOP Instance UID > data set, as explicit little endian."""
    kind, body = archive(f"/studies/{study}", f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT_LE}')
    boundary = re.search(r'boundary="?([^";]+)', kind).group(1).encode()
    found = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, data = part.lstrip(b"\r\n").partition(b"\r\n\r\n")
        assert email.parser.BytesParser().parsebytes(head + b"\r\n\r\n").get_content_type() == "application/dicom", head
        image = pydicom.dcmread(io.BytesIO(data[:-2]))
        assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID
        found[image.SOPInstanceUID] = image
    return found


def as_it_was(image, study):
    """What Original Attributes Sequence says was there, put back."""
    assert image.StudyInstanceUID == study and re.fullmatch(r"[0-9.]{1,64}", image.SeriesInstanceUID), image.SeriesInstanceUID
    said = image.OriginalAttributesSequence[-1]
    assert said.ReasonForTheAttributeModification == "COERCE" and said.ModifyingSystem.startswith("RADPOST"), said
    odd = {item.SelectorAttribute: item.NonconformingDataElementValue for item in said.get("NonconformingModifiedAttributesSequence", [])}
    for element in said.ModifiedAttributesSequence[0]:
        raw = odd.get(element.tag)
        image[element.tag].value = element.value if raw is None else raw.decode().rstrip("\0 ")
    del image.OriginalAttributesSequence
    return image


def like_sent(found, sent, study):
    """All that was sent is there, and differs in nothing but the UIDs it was made for; missing and empty are one here."""
    assert sorted(found) == sorted(sent), (sorted(found), sorted(sent))
    for uid, image in found.items():
        image, other = as_it_was(image, study), sent[uid]
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
            if image[keyword].value in ("", None) and keyword not in other:
                del image[keyword]
        assert image == other, f"{uid}: not what was sent"


def sent_of(folder, kind):
    paths = [os.path.join(folder, name) for name in os.listdir(folder) if name.startswith(kind + "-")]
    return {image.SOPInstanceUID: image for image in map(pydicom.dcmread, paths)}


def safe_studies(desk):
    studies = desk.must("GET", "/desk/v1/state")["studies"]
    return studies if len(studies) == len(PEOPLE) and all(s["is_safe_to_delete"] for s in studies) else None


def check_metadata(study):
    rows = api.json.loads(archive(f"/studies/{study}/metadata", "application/dicom+json")[1])
    assert len(rows) == 2, f"{len(rows)} instances"
    for row in rows:
        assert row["0020000D"]["Value"] == [study], row["0020000D"]
        assert re.fullmatch(r"[0-9.]+", row["0020000E"]["Value"][0]), row["0020000E"]
    assert rows[0]["0020000E"] == rows[1]["0020000E"], "one series"


def judge(folder):
    desk, doctor = api.desk(), api.staff("DOCTOR")
    studies = api.until(WAIT_S, lambda: safe_studies(desk), "three studies that are safe to delete on the device")
    found = {}
    for study in studies:
        uid = study["study"]
        assert study["may_attach"] and re.fullmatch(r"2\.25\.[0-9]{1,39}", uid), study
        kind = next(k for k, p in PEOPLE.items() if p[0] == study["patient"]["id"])
        like_sent(instances(uid), sent_of(folder, kind), uid)
        check_metadata(uid)
        found[kind] = uid
    assert sorted(found) == sorted(PEOPLE), found
    for kind, uid in found.items():
        patient = desk.must("POST", "/desk/v1/registrations", {"name": f"演示{kind}", "modality": "CT"})["registration"]
        desk.must("POST", f"/desk/v1/registrations/{patient}/attach", {"study": uid})
        rows = desk.must("GET", "/desk/v1/state")["doubts"]
        odd = next(d for d in rows if d["study"] == uid)
        assert odd["registration"] == patient and odd["is_open"], odd
        assert {"bad_uid", "made_uid"} <= set(odd["doubts"]), odd
        read = api.until(WAIT_S, lambda u=uid: api.read_of(doctor, u), "a read of the study")
        assert len(api.instances(doctor, uid)) == 2, read
        api.until(WAIT_S, lambda u=uid: "made_uid" in str(api.read_of(doctor, u)), "the doubt at the reader")
        desk.must("POST", f"/desk/v1/studies/{uid}/doubts", {"doubts": odd["doubts"], "reason": "核对过"})


if __name__ == "__main__":
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    {"make": make, "judge": judge}[sys.argv[1]](*sys.argv[2:])
