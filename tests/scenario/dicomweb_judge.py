#!/usr/bin/python3
"""dicomweb_judge.py TOOL CONNINFO FOLDER DEMO DEMO2 [DATA] - fill an archive and judge its DICOMweb answers.

Shares no code with what it judges: multipart is split here, data sets are read by pydicom, JPEG 2000 is decoded by
opj_decompress or ffmpeg, other codings by DCMTK's tools. DEMO and DEMO2 are folders of radpost-demo-study, DATA has files for a gateway (coded/) and for direct storage.
"""
import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.parse

import pydicom
from pydicom.uid import ImplicitVRLittleEndian

EXPLICIT, IMPLICIT, J2K = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.90"
pydicom.config.replace_un_with_known_vr = False  # values of unknown representation are compared by their bytes
failures, checks = [], 0


def check(is_true, words):
    global checks
    checks += 1
    if not is_true:
        failures.append(words)
        print("FAILED:", words, flush=True)


class Archive:
    def __init__(self, tool, conninfo, folder):
        self.process = subprocess.Popen([tool, conninfo, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        first = json.loads(self.process.stdout.readline())
        self.address = urllib.parse.urlparse(first["url"])
        self.tokens = first["tokens"]

    def tell(self, *words):
        self.process.stdin.write((" ".join(words) + "\n").encode())
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def get(self, path, accept=None, token="a", method="GET", **headers):
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=60)
        if token:
            headers["Authorization"] = "Bearer " + self.tokens.get(token, token)
        if accept:
            headers["Accept"] = accept
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        answer.bytes = answer.read()
        connection.close()
        return answer

    def json(self, path, **more):
        answer = self.get(path, accept="application/dicom+json", **more)
        check(answer.status in (200, 204), f"{path}: {answer.status} {answer.bytes[:200]}")
        return json.loads(answer.bytes) if answer.status == 200 else []

    def end(self):
        self.process.stdin.close()
        return self.process.wait(60)


def parts(answer, wanted_type):
    """The parts of a multipart/related answer, by RFC 2046 and what cornerstone's reader insists on."""
    kind = answer.getheader("Content-Type", "")
    found = re.fullmatch(r'multipart/related; type="([^"]+)"; boundary=([A-Za-z0-9-]{10,70})', kind)
    check(found and found.group(1) == wanted_type, f"Content-Type {kind}")
    if not found:
        return []
    mark = b"--" + found.group(2).encode()
    body = answer.bytes
    check(body.startswith(mark + b"\r\n"), "the boundary is the first line")
    check(body.endswith(b"\r\n" + mark + b"--\r\n"), "the closing boundary is the last line")
    out = []
    for piece in body[len(mark) + 2:-len(mark) - 6].split(b"\r\n" + mark + b"\r\n"):
        head, _, content = piece.partition(b"\r\n\r\n")
        check(head.startswith(b"Content-Type: "), f"part header {head[:60]}")
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n"))
        out.append((lines[b"Content-Type"].decode(), content))
    return out


def read_part10(content):
    from io import BytesIO
    return pydicom.dcmread(BytesIO(content), force=False)


VIDEO = {f"1.2.840.10008.1.2.4.{n}" for n in range(100, 109)}
NATIVE = {IMPLICIT, EXPLICIT, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"}


def native(path, folder):
    """A file of any syntax as explicit little endian, by DCMTK or GDCM; None if neither can."""
    out = os.path.join(folder, "native-" + str(abs(hash((path, os.path.getmtime(path))))) + ".dcm")
    if os.path.exists(out):
        return out
    syntax = str(pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID)
    tools = [["dcmconv", "+te"]] if syntax in NATIVE else [["dcmdjpeg", "+cn", "+px"], ["dcmdjpls"], ["dcmdrle"], ["gdcmconv", "--raw"]]
    for command in tools:
        if subprocess.run(command + [path, out], capture_output=True).returncode == 0:
            return out
    if os.path.exists(out):
        os.unlink(out)
    return None


SKIPPED = {0x00280004, 0x00280006, 0x00282110, 0x7FE00010, 0x00080005}


def same_dataset(a, b, name):
    """Every element but those of the coding has the same value in both."""
    tags = {e.tag for e in a} | {e.tag for e in b}
    for tag in sorted(tags):
        if int(tag) in SKIPPED or tag.element == 0:
            continue
        if tag not in a or tag not in b:
            check(False, f"{name}: {tag} is in one only")
            continue
        x, y = a[tag], b[tag]
        if x.VR == "SQ" and y.VR == "SQ":
            check(len(x.value) == len(y.value), f"{name}: {tag} items")
            for i, j in zip(x.value, y.value):
                same_dataset(i, j, f"{name} {tag}")
        elif "UN" in (x.VR, y.VR):
            continue
        else:
            check(x.value == y.value or str(x.value).strip() == str(y.value).strip(),
                  f"{name}: {tag} {x.VR} {str(x.value)[:20]!r}, {y.VR} {str(y.value)[:20]!r}")


def by_pixel(ds):
    """Pixel bytes with the samples of a pixel side by side."""
    data = pixel_bytes(ds)
    if ds.SamplesPerPixel == 1 or ds.PlanarConfiguration == 0:
        return data
    plane, out = ds.Rows * ds.Columns * ds.BitsAllocated // 8, bytearray(len(data))
    for at in range(0, len(data), 3 * plane):
        for i in range(3):
            out[at + i:at + 3 * plane:3] = data[at + i * plane:at + (i + 1) * plane]
    return bytes(out)


def pixel_bytes(ds):
    want = ds.Rows * ds.Columns * ds.SamplesPerPixel * int(ds.get("NumberOfFrames", 1) or 1) * ds.BitsAllocated // 8
    return bytes(ds.PixelData)[:want]


# --- the claims

def nobody_gets_in_without_a_token(a, study):
    for path in ("/dicomweb/studies", f"/dicomweb/studies/{study}", f"/dicomweb/studies/{study}/metadata", "/events",
                 f"/preview/studies/{study}"):
        check(a.get(path, token=None).status == 401, f"{path} without a token")
        check(a.get(path, token="rp_" + "x" * 43).status == 401, f"{path} with a false token")
    check(a.get(f"/dicomweb/studies/{study}", token="query").status == 403, "retrieve with a token for queries")
    check(a.get("/dicomweb/studies", token="retrieve").status == 403, "query with a token for retrieval")
    check(a.get(f"/preview/studies/{study}", token="query").status == 403, "preview with a token for queries")


def a_list_as_ohif_asks_for_it(a, originals):
    rows = []
    while len(rows) % 101 == 0:
        more = a.json(f"/dicomweb/studies?limit=101&offset={len(rows)}&fuzzymatching=false"
                      "&includefield=00081030%2C00080060%2C00080090%2C00100030")
        rows += more
        if not more:
            break
    by_uid = {r["0020000D"]["Value"][0]: r for r in rows}
    studies = {}
    for ds in originals.values():
        studies.setdefault(ds.StudyInstanceUID, []).append(ds)
    check(set(by_uid) == set(studies), f"studies listed: {len(by_uid)} of {len(studies)}")
    for uid, instances in studies.items():
        row = by_uid.get(uid, {})
        for tag in ("00080020", "00080030", "00080050", "00081030", "00100010", "00100020", "00201206", "00201208", "00081190"):
            check(tag in row, f"list: {tag} of {uid}")
        if "00080061" in row:
            check(row["00080061"].get("Value"), "00080061 has a value")
            check(sorted(row["00080061"]["Value"]) == sorted({d.Modality for d in instances}), f"modalities of {uid}")
        check(row.get("00201208", {}).get("Value") == [len(instances)], f"instances of {uid}")
        check(row.get("00201206", {}).get("Value") == [len({d.SeriesInstanceUID for d in instances})], f"series of {uid}")
        if instances[0].get("StudyDescription") and str(instances[0].StudyDescription).isascii():
            check(row["00081030"].get("Value") == [str(instances[0].StudyDescription)], f"description of {uid}")
        keys = [k for k in row]
        check(keys == sorted(keys), "attributes ascend")
        again = a.json(f"/dicomweb/studies?limit=101&offset=0&fuzzymatching=false&StudyInstanceUID={uid}")
        check(len(again) == 1, f"one study by its UID: {len(again)}")
        prior = a.json("/dicomweb/studies?00100020=" + urllib.parse.quote(str(instances[0].get("PatientID", ""))) + "&limit=4000")
        check(uid in {r["0020000D"]["Value"][0] for r in prior}, "priors by PatientID")
        series = a.json(f"/dicomweb/studies/{uid}/series?includefield=00080021%2C00080031%2C0008103E%2C00200011")
        check({r["0020000E"]["Value"][0] for r in series} == {d.SeriesInstanceUID for d in instances}, f"series of {uid}")
        for r in series:
            check("00080060" in r and "00200011" in r and "0008103E" in r, "series row")


def searches_match_what_was_asked(a, originals):
    any_one = next(iter(originals.values()))
    uid = any_one.StudyInstanceUID
    name = str(any_one.PatientName)
    family = name.split("^")[0].split("=")[0]
    found = lambda q: {r["0020000D"]["Value"][0] for r in a.json("/dicomweb/studies?" + q)}
    check(uid in found("PatientName=" + urllib.parse.quote(family + "*")), "name with a star")
    check(uid in found("PatientName=" + urllib.parse.quote(family.lower() + "*")), "name in small letters")
    check(uid in found("StudyDate=" + any_one.StudyDate), "one day")
    check(uid in found(f"StudyDate={any_one.StudyDate}-"), "from a day")
    check(uid in found(f"StudyDate=-{any_one.StudyDate}&00100020=" + urllib.parse.quote(any_one.PatientID)), "up to a day")
    check(uid not in found("StudyDate=19000101-19000102"), "another day")
    check(uid in found("ModalitiesInStudy=" + any_one.Modality), "modality")
    check(uid in found("ModalitiesInStudy=XX," + any_one.Modality), "one of two modalities")
    check(uid not in found("ModalitiesInStudy=XX"), "another modality")
    check(uid in found("PatientID="), "an empty key asks nothing")
    check(found("PatientID=%25") == set() and found("PatientID=_") == set(), "SQL wildcards are letters")
    check(found("PatientID='%20OR%20'1'='1") == set(), "a quote is a letter")
    check(a.get("/dicomweb/studies?PatientID=none-such").status == 204, "nothing found: 204")
    for bad in ("Modality=CT", "NoSuch=1", "StudyDate=yesterday", "limit=-1", "StudyInstanceUID=1.2%27", "PatientName=%FF"):
        check(a.get("/dicomweb/studies?" + bad).status == 400, f"{bad} is refused")
    fuzzy = a.get("/dicomweb/studies?fuzzymatching=true")
    check(fuzzy.status == 200 and "299" in fuzzy.getheader("Warning", ""), "fuzzy matching is warned of")
    check(a.get("/dicomweb/studies", accept="text/html").status == 406, "no HTML")
    total = len(found("limit=4000"))
    seen = []
    for offset in range(0, total, max(total // 30, 1)) if total > 60 else range(total):
        answer = a.get(f"/dicomweb/studies?limit=1&offset={offset}")
        rows = json.loads(answer.bytes)
        check(len(rows) == 1, "a page of one")
        seen.append(rows[0]["0020000D"]["Value"][0])
        check(("299" in answer.getheader("Warning", "")) == (offset + 1 < total), "warned of more, and only then")
    check(len(set(seen)) == len(seen) and (total > 60 or len(seen) == total), "pages neither repeat nor leave out")


def nestings_agree(a, originals):
    for uid in {d.StudyInstanceUID for d in originals.values()}:
        mine = [d for d in originals.values() if d.StudyInstanceUID == uid]
        rows = a.json(f"/dicomweb/studies/{uid}/instances?includefield=all&limit=4000")
        check({r["00080018"]["Value"][0] for r in rows} == {d.SOPInstanceUID for d in mine}, f"instances of {uid}")
        for r in rows:
            d = next(d for d in mine if d.SOPInstanceUID == r["00080018"]["Value"][0])
            check(r["00080016"]["Value"] == [d.SOPClassUID], "class")
            check("Rows" not in d or r["00280010"]["Value"] == [d.Rows], "rows")
            check(r["00081190"]["Value"][0].endswith("/instances/" + d.SOPInstanceUID), "address")
        by_series = sum(len(a.json(f"/dicomweb/studies/{uid}/series/{s}/instances")) for s in {d.SeriesInstanceUID for d in mine})
        check(by_series == len(mine), "instances by series")
        top = a.json(f"/dicomweb/instances?StudyInstanceUID={uid}&limit=4000")
        check(len(top) == len(mine) and all("00100020" in r and "00080060" in r for r in top), "instances at the top")
    check(len(a.json("/dicomweb/series?limit=4000")) == len({d.SeriesInstanceUID for d in originals.values()}), "all series")


def objects_come_back(a, originals, coded, folder):
    for uid in {d.StudyInstanceUID for d in originals.values()}:
        mine = {d.SOPInstanceUID: p for p, d in originals.items() if d.StudyInstanceUID == uid}
        answer = a.get(f"/dicomweb/studies/{uid}", accept='multipart/related; type="application/dicom"')
        check(answer.status == 200, f"study {uid}: {answer.status}")
        got = parts(answer, "application/dicom")
        check(len(got) == len(mine), f"study {uid}: {len(got)} parts of {len(mine)}")
        for kind, content in got:
            ds = read_part10(content)
            path = mine.pop(str(ds.SOPInstanceUID), None)
            check(path is not None, "each once")
            check(kind == f"application/dicom; transfer-syntax={ds.file_meta.TransferSyntaxUID}", f"part type {kind}")
            if path is None:
                continue
            check(content[:128] == bytes(128) or content[:2] in (b"II", b"MM"), "an empty preamble")
            original = pydicom.dcmread(path)
            same_dataset(original, ds, os.path.basename(path))
            if "PixelData" in original:
                flat = native(path, folder)
                if flat:
                    check(ds.file_meta.TransferSyntaxUID == EXPLICIT, f"{path}: native by default")
                    check(by_pixel(pydicom.dcmread(flat)) == by_pixel(ds), f"{path}: pixels")
        check(not mine, f"study {uid} is whole")


def stored_codings_come_back(a, originals, coded, folder):
    for path in coded[:3]:
        d = originals[path]
        base = f"/dicomweb/studies/{d.StudyInstanceUID}/series/{d.SeriesInstanceUID}/instances/{d.SOPInstanceUID}"
        for syntax in ("*", J2K, f'"{J2K}"'):
            answer = a.get(base, accept=f'multipart/related; type="application/dicom"; transfer-syntax={syntax}')
            got = parts(answer, "application/dicom")
            check(len(got) == 1 and got[0][0].endswith(J2K), f"as stored by {syntax}")
            check(answer.getheader("Content-Length") == str(len(answer.bytes)), "a length of a single instance")
        out = os.path.join(folder, "coded.dcm")
        open(out, "wb").write(got[0][1])
        flat = native(out, folder)
        check(flat and pixel_bytes(pydicom.dcmread(flat)) == pixel_bytes(pydicom.dcmread(native(path, folder) or path)),
              f"{path}: the coded pixels, decoded by GDCM")
        single = a.get(base, accept="application/dicom")
        check(single.getheader("Content-Type") == f"application/dicom; transfer-syntax={EXPLICIT}", "single part")
        same_dataset(pydicom.dcmread(path), read_part10(single.bytes), "single part")
        other = a.get(base, accept=f"application/dicom; transfer-syntax={IMPLICIT}")
        check(read_part10(other.bytes).file_meta.TransferSyntaxUID == ImplicitVRLittleEndian, "implicit on demand")
        check(a.get(base, accept="application/dicom; transfer-syntax=1.2.3").status == 406, "a strange syntax")
        check(a.get(base, accept="image/png").status == 406, "no PNG")
        check(a.get(base, accept="application/dicom; q=x").status == 400, "a broken Accept")
        head = a.get(base, accept="application/dicom", method="HEAD")
        check(head.status == 200 and head.bytes == b"", "HEAD")
        check(a.get(base.replace("/series/", "/series/1.2.")).status == 404, "a wrong series")


def metadata_says_what_the_files_say(a, originals):
    for uid in {d.StudyInstanceUID for d in originals.values()}:
        mine = {d.SOPInstanceUID: p for p, d in originals.items() if d.StudyInstanceUID == uid}
        rows = a.json(f"/dicomweb/studies/{uid}/metadata")
        check({r["00080018"]["Value"][0] for r in rows} == set(mine), f"metadata of {uid}: {len(rows)}")
        for row in rows:
            path = mine.get(row["00080018"]["Value"][0])
            if path is None:
                continue
            check("00020010" not in row, "no group 2")
            bulk = []
            ds = pydicom.Dataset.from_json(row, lambda tag, vr, uri: bulk.append((tag, uri)) or b"")
            original = pydicom.dcmread(path)
            want = {int(e.tag) for e in original if e.tag.element != 0} - {0xFFFCFFFC}
            missing = want - {int(e.tag) for e in ds} - {0x7FE00010}
            check(not missing, f"{os.path.basename(path)}: metadata without {[hex(t) for t in missing]}")
            for tag in ("SOPInstanceUID", "Rows", "Columns", "BitsAllocated", "PixelSpacing", "ImagePositionPatient",
                        "ImageOrientationPatient", "RescaleSlope", "WindowCenter", "InstanceNumber", "Modality"):
                if tag in original:
                    check(tag in ds and ds[tag].value == original[tag].value, f"{os.path.basename(path)}: {tag} in metadata")
            for tag, uri in bulk:
                if tag == "7FE00010" or not uri:
                    continue
                where = urllib.parse.urlparse(uri).path
                got = parts(a.get(where, accept='multipart/related; type="application/octet-stream"'), "application/octet-stream")
                check(len(got) == 1, f"bulk data {tag}")
                value = original[int(tag, 16)].value if int(tag, 16) in original else None
                if got and isinstance(value, bytes):
                    check(got[0][1].rstrip(b"\0") == value.rstrip(b"\0"), f"bulk data {tag} of {os.path.basename(path)}")
        for series in {pydicom.dcmread(p, stop_before_pixels=True).SeriesInstanceUID for p in mine.values()}:
            check(a.json(f"/dicomweb/studies/{uid}/series/{series}/metadata"), "metadata of a series")


def decode_j2k(content, folder):
    """Raw little-endian samples of a codestream, by OpenJPEG's tool (ours is linked to its library) and by ffmpeg."""
    name = os.path.join(folder, "frame.j2k")
    open(name, "wb").write(content)
    out = os.path.join(folder, "frame.raw")
    done = subprocess.run(["opj_decompress", "-i", name, "-o", out], capture_output=True)
    return open(out, "rb").read() if done.returncode == 0 else None


def frames_are_the_pixels(a, originals, coded, folder):
    for path, d in originals.items():
        if "PixelData" not in d and not hasattr(d, "Rows"):
            continue
        original = pydicom.dcmread(path)
        if "PixelData" not in original or not drawable(path):
            continue
        flat = native(path, folder)
        count = int(original.get("NumberOfFrames", 1) or 1)
        base = f"/dicomweb/studies/{d.StudyInstanceUID}/series/{d.SeriesInstanceUID}/instances/{d.SOPInstanceUID}/frames"
        answer = a.get(f"{base}/{count}", accept='multipart/related; type="application/octet-stream"')
        got = parts(answer, "application/octet-stream")
        check(len(got) == 1 and got[0][0] == f"application/octet-stream; transfer-syntax={EXPLICIT}", f"{path}: frame")
        if flat and got:
            flat = pydicom.dcmread(flat)
            # native frames leave as the metadata says: a stored native one as it is, a decoded one by pixel
            whole = by_pixel(flat) if path in coded or original.file_meta.TransferSyntaxUID not in NATIVE else pixel_bytes(flat)
            n = len(whole) // count
            check(got[0][1] == whole[(count - 1) * n:], f"{path}: last frame's pixels ({len(got[0][1])} of {n})")
        check(a.get(f"{base}/{count + 1}").status == 404 and a.get(f"{base}/0").status == 404, "no such frame")
        tag = answer.getheader("ETag")
        check(tag and a.get(f"{base}/{count}", accept='multipart/related; type="application/octet-stream"',
                            If_None_Match=tag).status == 304, "304")
        # exactly as cornerstone asks
        answer = a.get(f"{base}/1", accept="multipart/related; type=application/octet-stream; transfer-syntax=*")
        got = parts(answer, "application/octet-stream")
        check(answer.getheader("Content-Length") == str(len(answer.bytes)), "length for progress")
        syntax = J2K if path in coded else str(original.file_meta.TransferSyntaxUID)
        if syntax in NATIVE:
            syntax = EXPLICIT
        check(got and got[0][0] == f"application/octet-stream; transfer-syntax={syntax}", f"{path}: {got and got[0][0]}")
        if path in coded and got:
            check(got[0][1][:4] == b"\xff\x4f\xff\x51" and got[0][1][-2:] == b"\xff\xd9", "a bare codestream")
            if count == 1 and original.SamplesPerPixel == 1 and original.BitsAllocated == 16:
                raw = decode_j2k(got[0][1], folder)
                check(raw is not None, "opj_decompress reads it")
                image = a.get(f"{base}/1", accept=f'multipart/related; type="image/jp2"; transfer-syntax={J2K}')
                check(parts(image, "image/jp2"), "image/jp2")
        if count >= 3:
            got = parts(a.get(f"{base}/3,1"), "application/octet-stream")
            check(len(got) == 2, "two frames")
            if flat and len(got) == 2:
                check(got[0][1] == whole[2 * n:3 * n] and got[1][1] == whole[:n], "in the order asked")


def drawable(path):
    d = pydicom.dcmread(path)
    return "PixelData" in d and str(d.file_meta.TransferSyntaxUID) not in VIDEO


def pictures_are_jpeg(a, originals):
    chrome = "image/jxl,image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
    for path, d in originals.items():
        base = f"/dicomweb/studies/{d.StudyInstanceUID}/series/{d.SeriesInstanceUID}/instances/{d.SOPInstanceUID}"
        answer = a.get(base + "/rendered", accept=chrome)
        if not drawable(path):
            check(answer.status == 406, f"{path}: nothing to draw ({answer.status})")
            continue
        check(answer.status == 200 and answer.bytes[:2] == b"\xff\xd8", f"{path}: rendered {answer.status}")
        small = a.get(base + "/rendered?viewport=64,64&quality=50&window=40,400,linear", accept="image/jpeg")
        check(small.status == 200 and len(small.bytes) < max(len(answer.bytes), 4096), "a small picture")
        check(a.get(base + "/frames/1/rendered?accept=image/jpeg", accept="text/html").status == 200, "accept= goes before Accept")
        check(a.get(base + "/thumbnail").status == 200, "thumbnail")
    d = next(d for p, d in originals.items() if drawable(p))
    base = f"/dicomweb/studies/{d.StudyInstanceUID}/series/{d.SeriesInstanceUID}/instances/{d.SOPInstanceUID}"
    check(a.get(base + "/rendered?viewport=100000,100000").status == 200, "a huge viewport is harmless")
    for bad in ("window=1", "viewport=0,0", "quality=0", "window=1,0,linear"):
        check(a.get(base + "/rendered?" + bad).status == 400, bad)
    check(a.get(f"/dicomweb/studies/{d.StudyInstanceUID}/thumbnail").status == 200, "thumbnail of a study")


def other_clinics_see_nothing(a, originals):
    """Another tenant's study answers like one that never was, word for word."""
    d = next(iter(originals.values()))
    never = "2.25.1"
    tails = ["", "/metadata", "/series/{e}", "/series/{e}/metadata", "/series/{e}/instances/{i}", "/thumbnail",
             "/series/{e}/instances/{i}/metadata", "/series/{e}/instances/{i}/frames/1", "/series/{e}/instances/{i}/rendered",
             "/series/{e}/instances/{i}/bulkdata/7FE00010", "/series", "/instances", "/series/{e}/instances"]
    def shape(answer):
        body = re.sub(rb'"id": ?"[^"]*"', b"", answer.bytes)
        heads = sorted((k, v) for k, v in answer.getheaders() if k not in ("Date", "Content-Length"))
        return answer.status, heads, body
    for tail in tails:
        theirs = tail.format(e=d.SeriesInstanceUID, i=d.SOPInstanceUID)
        for root in ("/dicomweb/studies/",) + (("/preview/studies/",) if not tail else ()):
            other = shape(a.get(root + d.StudyInstanceUID + theirs, token="b"))
            none = shape(a.get(root + never + theirs, token="b"))
            check(other == none and other[0] in (404, 204), f"{root}{tail}: {other[0]} and {none[0]}")
            mine = a.get(root + d.StudyInstanceUID + theirs, token="b", Radpost_Tenant="A")
            check(mine.status == 404, f"naming another tenant: {mine.status}")
    check(a.json("/dicomweb/studies", token="b") == [], "an empty list")
    check(a.get("/dicomweb/studies", token="all").status == 400, "a reader names its tenant")
    check(a.get("/dicomweb/studies", token="all", Radpost_Tenant="A").status == 200, "a reader reads A")
    check(a.get("/dicomweb/studies", token="all", Radpost_Tenant="B").status == 204, "B has nothing")
    check(a.get("/dicomweb/studies", token="all", Radpost_Tenant="C' OR 1=1").status == 404, "no such tenant")


def a_preview_is_not_the_instance(a, path, folder):
    d = pydicom.dcmread(path)
    study, base = d.StudyInstanceUID, f"/series/{d.SeriesInstanceUID}/instances/{d.SOPInstanceUID}"
    state = a.tell("gateway", "A", path, "1")
    check(state["state"] == "looked", f"first look: {state}")
    for tail in ("", "/metadata", "/frames/1", "/rendered", "/thumbnail", "/bulkdata/7FE00010"):
        answer = a.get(f"/dicomweb/studies/{study}{base}{tail}")
        check(answer.status == 503 and answer.getheader("Retry-After"), f"{tail or 'object'} of a preview: {answer.status}")
    check(a.get(f"/dicomweb/studies/{study}").status == 503, "its study")
    check(a.json(f"/dicomweb/studies?StudyInstanceUID={study}") == [], "not in the list")
    page = a.get(f"/preview/studies/{study}")
    check(page.status == 200 and page.getheader("Cache-Control") == "no-store", "preview list")
    listing = json.loads(page.bytes)
    one = [i for i in listing["instances"] if i["instance"] == d.SOPInstanceUID]
    check(len(one) == 1 and one[0]["layers_here"] == 1 and one[0]["layers"] > 1, f"one layer is here: {one}")
    check("不可用于诊断" in (listing["words"] or ""), "words in the list")
    check(one and one[0]["bytes_here"] <= one[0]["bytes"] / 5, f"a fifth of the bytes: {one}")
    where = f"/preview/studies/{study}/instances/{d.SOPInstanceUID}/frames/1"
    picture = a.get(where, accept="image/jpeg")
    check(picture.status == 200 and picture.bytes[:2] == b"\xff\xd8" and picture.getheader("Cache-Control") == "no-store" and
          picture.getheader("ETag") is None, f"the picture: {picture.status}")
    stream = a.get(where, accept="application/vnd.radpost.preview+j2c")
    check(stream.status == 200 and stream.getheader("Content-Type") == "application/vnd.radpost.preview+j2c" and
          stream.getheader("Cache-Control") == "no-store", f"the codestream: {stream.status}")
    if stream.status == 200:
        cod = stream.bytes.find(b"\xff\x52")
        check(int.from_bytes(stream.bytes[cod + 6:cod + 8], "big") == 1, "COD tells one layer")
        check(stream.bytes[-2:] == b"\xff\xd9", "EOC")
        check(decode_j2k(stream.bytes, folder) is not None, "opj_decompress reads the preview")
        sot = stream.bytes.find(b"\xff\x90")
        check(stream.bytes[sot + 11] == 1, "TNsot is one")
    check(a.get(where, token="query").status == 403, "previews need their right")
    check(a.get(where, token="b").status == 404, "previews of another clinic")
    check(a.get(where.replace("frames/1", "frames/2")).status == 404, "no second frame")
    check(a.get(where, accept="application/dicom").status == 406, "never as DICOM")
    a.tell("rest")
    check(a.get(f"/dicomweb/studies/{study}{base}/rendered").status == 200, "whole: rendered")
    check(a.get(where).status == 404, "whole: no preview any more")
    check(len(a.json(f"/dicomweb/studies?StudyInstanceUID={study}")) == 1, "whole: in the list")


def a_partial_study_says_so(a, partial):
    """A study of which one instance is whole already, and one comes."""
    d = pydicom.dcmread(partial, stop_before_pixels=True)
    state = a.tell("gateway", "A", partial, "1")
    check(state["state"] == "looked", f"first look: {state}")
    answer = a.get(f"/dicomweb/studies/{d.StudyInstanceUID}")
    check(answer.status == 206 and "299" in answer.getheader("Warning", ""), f"a study of which some is here: {answer.status}")
    check(len(parts(answer, "application/dicom")) == 1, "the whole one only")
    listing = json.loads(a.get(f"/preview/studies/{d.StudyInstanceUID}").bytes)
    check(listing["whole"] == 1 and len(listing["instances"]) == 1, f"standing: {listing['whole']}")
    a.tell("rest")
    check(a.get(f"/dicomweb/studies/{d.StudyInstanceUID}").status == 200, "whole now")


def events_wake_who_waits(a, path):
    first = json.loads(a.get("/events?limit=1000").bytes)
    seqs = [e["seq"] for e in first["events"]]
    check(seqs == sorted(set(seqs)) and seqs, "events ascend")
    check(all(e["tenant"] == "A" for e in first["events"]), "own events only")
    one = json.loads(a.get("/events?limit=1").bytes)
    check(len(one["events"]) == 1 and one["next"] == seqs[0], "a page of one")
    again = json.loads(a.get("/events?after=%d" % one["next"]).bytes)
    check([e["seq"] for e in again["events"]][:1] == seqs[1:2], "the cursor goes on")
    check(json.loads(a.get("/events?limit=1000", token="b").bytes)["events"] == [], "nothing of another clinic")
    check({e["tenant"] for e in json.loads(a.get("/events", token="all").bytes)["events"]} == {"A"}, "a reader sees all")
    last = first["next"]
    while True:
        more = json.loads(a.get(f"/events?after={last}&limit=1000").bytes)
        last = more["next"]
        if not more["events"]:
            break
    waited = {}

    def wait():
        began = time.monotonic()
        waited["events"] = json.loads(a.get(f"/events?after={last}&wait_s=50").bytes)["events"]
        waited["took"] = time.monotonic() - began
    thread = threading.Thread(target=wait)
    thread.start()
    a.tell("direct", "A", path)
    thread.join()
    check(waited["events"] and waited["took"] < 40, f"woken by an event: {waited}")
    began = time.monotonic()
    empty = json.loads(a.get(f"/events?after={waited['events'][-1]['seq'] + 1000}&wait_s=1").bytes)
    check(empty["events"] == [] and time.monotonic() - began >= 0.9, "an empty answer in time")
    for bad in ("after=x", "wait_s=100000", "limit=-1"):
        check(a.get("/events?" + bad).status == 400, bad)


def cors_is_for_the_one_origin(a, study):
    answer = a.get(f"/dicomweb/studies/{study}/series", method="OPTIONS", token=None)
    check(answer.status == 204 and answer.getheader("Access-Control-Allow-Origin") == "http://viewer.example" and
          "Authorization" in answer.getheader("Access-Control-Allow-Headers", ""), f"preflight: {answer.status}")
    check(a.get("/dicomweb/studies").getheader("Access-Control-Allow-Origin") == "http://viewer.example", "origin on answers")


def audit_tells_it(folder, study):
    text = ""
    for root, _, names in os.walk(os.path.join(folder, "audit")):
        for name in names:
            text += open(os.path.join(root, name), "rb").read().decode("utf-8", "replace")
    check("AUDIT_QUERIED" in text and "AUDIT_RETRIEVED" in text and "AUDIT_PREVIEWED" in text, "searches, retrievals, previews noted")
    check(str(study) in text, "the study is named")


def main():
    tool, conninfo, folder, demo, demo2 = sys.argv[1:6]
    data = sys.argv[6] if len(sys.argv) > 6 else None
    a = Archive(tool, conninfo, folder)
    demo_files = sorted(os.path.join(r, n) for r, _, ns in os.walk(demo) for n in ns)
    ct = [p for p in demo_files if "/ct/" in p]
    dx = [p for p in demo_files if "/dx/" in p]
    coming = sorted(os.path.join(r, n) for r, _, ns in os.walk(demo2) for n in ns)
    coded = ct[:3] + dx
    direct = ct[3:5]
    if data:
        coded += sorted(os.path.join(data, "coded", n) for n in os.listdir(os.path.join(data, "coded")))
        direct += sorted(os.path.join(data, "direct", n) for n in os.listdir(os.path.join(data, "direct")))
    magic = lambda path: open(path, "rb").read(132)[128:] == b"DICM"
    coded, direct = [p for p in coded if magic(p)], [p for p in direct if magic(p)]
    stored = {}
    for way, paths in (("gateway", coded), ("direct", direct)):
        for path in paths:
            state = a.tell(way, "A", path)
            check(state["state"] in ("held", "stored"), f"{way} {path}: {state}")
            if state["state"] in ("held", "stored"):
                stored[path] = pydicom.dcmread(path, stop_before_pixels=True)
    really = []  # what a gateway left as it was is not coded
    for path in coded:
        if path in stored:
            d = stored[path]
            rows = a.json(f"/dicomweb/studies/{d.StudyInstanceUID}/series/{d.SeriesInstanceUID}/instances?SOPInstanceUID={d.SOPInstanceUID}")
            if rows and rows[0]["00083002"]["Value"] == [J2K] and d.file_meta.TransferSyntaxUID != J2K:
                really.append(path)
    check(len(really) >= 4, f"{len(really)} of {len(coded)} are coded")
    first = next(iter(stored.values())).StudyInstanceUID
    for claim in (lambda: nobody_gets_in_without_a_token(a, first), lambda: a_list_as_ohif_asks_for_it(a, stored),
                  lambda: searches_match_what_was_asked(a, stored), lambda: nestings_agree(a, stored),
                  lambda: objects_come_back(a, stored, really, folder),
                  lambda: stored_codings_come_back(a, stored, really, folder),
                  lambda: metadata_says_what_the_files_say(a, stored),
                  lambda: frames_are_the_pixels(a, stored, really, folder), lambda: pictures_are_jpeg(a, stored),
                  lambda: other_clinics_see_nothing(a, stored), lambda: a_preview_is_not_the_instance(a, coming[0], folder),
                  lambda: a_partial_study_says_so(a, coming[1]), lambda: events_wake_who_waits(a, coming[-1]),
                  lambda: cors_is_for_the_one_origin(a, first)):
        try:
            claim()
        except Exception as e:  # a claim that cannot be judged has failed; the others are still judged
            import traceback
            traceback.print_exc()
            check(False, f"{e!r}")
    check(a.end() == 0, "the archive ends in order")
    audit_tells_it(folder, first)
    print(f"dicomweb_judge: {checks} checks over {len(stored)} instances, {len(failures)} failed")
    return 1 if failures else 0


sys.exit(main())
