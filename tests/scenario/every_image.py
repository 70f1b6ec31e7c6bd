#!/usr/bin/python3
"""every_image.py pick DATA OUT | copies OUT COPIES | judge KIND COPIES SPOOL - the images of the test set, on their way.

pick    one image of each kind (folder, modality, syntax, and the form of its pixels: size, frames, bits, sign, samples,
        photometric interpretation, planes). What is compressed is taken as it is and, for only native pixels are coded, once
        more as GDCM or DCMTK make them native, if no other has that form and they are at most 16 MB.
        RADPOST_LONG=1: every image, and of each compressed one the native pixels.
copies  the same with UIDs of their own
judge   fetches each from the archive. Compressed or rightly left alone: its pixel data must be what was sent, byte for byte.
        Coded: JPEG 2000 is decoded by OpenJPEG's tool, ffmpeg's own decoder and GDCM; JPEG-LS by DCMTK, ffmpeg and GDCM; and
        what the archive gives out as explicit little endian is read by pydicom and DCMTK. All must see the sent pixels; of
        more than 20 frames OpenJPEG's tool and ffmpeg see every tenth and the last, RADPOST_LONG=1: all.
"""
import collections
import concurrent.futures
import csv
import json
import logging
import os
import subprocess
import sys
import tempfile
import urllib.request
import warnings

warnings.filterwarnings("ignore")
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
import numpy
import pydicom
from pydicom.encaps import generate_pixel_data_frame

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import digests as judge  # noqa: E402
from fresh_uids import fresh_uid  # noqa: E402

IS_LONG = os.environ.get("RADPOST_LONG", "0") != "0"
TS = "1.2.840.10008.1.2"
J2K, JPEGLS = TS + ".4.90", TS + ".4.80"
NATIVE = {TS, TS + ".1", TS + ".2"}
PIXELS = 0x7FE00010
NATIVE_MOST = 16 << 20
FRAMES_MOST = 20
# GDCM last: it leaves an icon of the mammogram compressed inside the native data set, which DCMTK then cannot read
MAKERS = (("dcmdjpeg", "+cn"), ("dcmdjpls",), ("dcmdrle",), ("dcmconv", "+te"), ("gdcmconv", "--raw"))
# words of the encoder for what is rightly left alone (proto/codec/eligible.h)
LEFT_ALONE = ("float pixels", "1 bits allocated", "32 bits allocated", "pixel data not whole", "unused bits are in use",
              "overlay inside the pixels", "coding makes it larger", "bits stored", "photometric interpretation YBR_FULL_422",
              "photometric interpretation absent", "compressed already", "deflated data set")


# --- pick ------------------------------------------------------------------------------------------------------------

def syntax_of(ds, row):
    """What the file says, or the manifest for files without a meta header."""
    said = str(getattr(ds, "file_meta", {}).get("TransferSyntaxUID", ""))
    return said or next((w for w in row["transfer_syntax"].split() if w.startswith(TS)), TS)


def form_of(ds, syntax):
    form = judge.Form(ds, syntax)
    return (form.rows, form.cols, form.frames, form.bits, form.stored, form.is_signed, form.samples, form.photometric, form.is_planar)


def is_new(key, seen):
    if key in seen and not IS_LONG:
        return False
    seen.add(key)
    return True


def is_known_to_pydicom(syntax):
    """Its dictionary is older than HTJ2K."""
    pydicom.uid.UID_dictionary.setdefault(syntax, (syntax, "Transfer Syntax", "", "", ""))
    return pydicom.uid.UID(syntax)


def readable(source, ds, syntax, to):
    """As a modality sends it: a meta header that names this instance, and UIDs long enough to be replaced byte for byte."""
    uids = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    meta = getattr(ds, "file_meta", {})
    if meta.get("TransferSyntaxUID") and meta.get("MediaStorageSOPInstanceUID") == ds.get("SOPInstanceUID") and \
            all(len(str(ds.get(u, ""))) >= 12 for u in uids):
        with open(source, "rb") as f, open(to, "wb") as g:
            g.write(f.read())
        return
    ds = pydicom.dcmread(source, force=True)
    for uid in uids:
        if len(str(ds.get(uid, ""))) < 12:
            setattr(ds, uid, fresh_uid(40))
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = is_known_to_pydicom(syntax)
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.is_little_endian, ds.is_implicit_VR = syntax != TS + ".2", syntax == TS
    ds.save_as(to, write_like_original=False)


def make_native(source, to):
    for words in MAKERS:
        if judge.run(*words, source, to) and os.path.exists(to) and \
                str(pydicom.dcmread(to, stop_before_pixels=True).file_meta.TransferSyntaxUID) in NATIVE:
            return True
    return False


def pick(data, out):
    os.makedirs(os.path.join(out, "files"))
    kinds, forms, compressed, names, without = set(), set(), [], [], []
    with open(os.path.join(data, "MANIFEST.tsv"), newline="") as f:
        rows = list(csv.DictReader(f, delimiter="\t"))
    for row in rows:
        path = row["path"]
        source = os.path.join(data, path)
        if path.startswith("malformed/") or path.endswith("DICOMDIR"):
            continue
        ds = pydicom.dcmread(source, force=True)
        if not any(t in ds for t in (PIXELS, 0x7FE00008, 0x7FE00009)):
            continue
        syntax = syntax_of(ds, row)
        if not is_new((path.split("/")[0], str(ds.get("Modality", "")), syntax) + form_of(ds, syntax), kinds):
            continue
        to = os.path.join(out, "files", "%05d.dcm" % len(names))
        readable(source, ds, syntax, to)
        names.append(path)
        if syntax in NATIVE:
            forms.add(form_of(ds, syntax))
        else:
            compressed.append((path, to))
    for path, source in compressed:
        to = os.path.join(out, "files", "%05d.dcm" % len(names))
        if not make_native(source, to):
            without.append(path)
        elif is_new(form_of(pydicom.dcmread(to), TS + ".1"), forms) and (IS_LONG or os.path.getsize(to) <= NATIVE_MOST):
            names.append(path + ", native")
        else:
            os.unlink(to)
    with open(os.path.join(out, "names.json"), "w") as f:
        json.dump(names, f)
    print("  %d files of %d kinds; neither GDCM nor DCMTK makes native pixels of %s" % (len(names), len(kinds), ", ".join(without) or "none"))


def copies(picked, out):
    os.makedirs(out)
    done = subprocess.run([sys.executable, os.path.join(HERE, "..", "support", "fresh_uids.py"), "--each",
                           os.path.join(out, "sent"), os.path.join(picked, "files")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    with open(os.path.join(picked, "names.json")) as f:
        names = json.load(f)
    if sorted(os.listdir(os.path.join(out, "sent"))) != ["%05d.dcm" % n for n in range(len(names))]:
        sys.exit("FAILED: not every picked file could be given UIDs")
    with open(os.path.join(out, "studies"), "w") as f:
        f.write(done.stdout)
    with open(os.path.join(out, "names.json"), "w") as f:
        json.dump(names, f)


# --- decoders --------------------------------------------------------------------------------------------------------

ffmpeg_depths = {}      # what ffmpeg makes of a kind of JPEG 2000


def some_of(frames, pixels, form):
    """Which frames the slow ones decode, and their pixels."""
    chosen = range(len(frames)) if IS_LONG or len(frames) <= FRAMES_MOST else [*range(0, len(frames), 10), len(frames) - 1]
    n = len(pixels) // len(frames)
    return [frames[f] for f in chosen], b"".join(pixels[f * n:(f + 1) * n] for f in chosen)


def all_frames(a, form, count):
    if len(a) != count * form.rows * form.cols * form.samples:
        raise judge.Undecodable("%d samples" % len(a))
    return a


def put_frames(frames, folder, ending):
    for n, frame in enumerate(frames):
        with open(os.path.join(folder, "f%05d.%s" % (n, ending)), "wb") as f:
            f.write(frame)


def by_openjpeg(frames, form):
    _, precision, is_signed, _, _ = judge.siz(frames[0])
    with tempfile.TemporaryDirectory() as folder:
        put_frames(frames, folder, "j2k")
        if not judge.run("opj_decompress", "-ImgDir", folder, "-OutFor", "RAWL"):
            raise judge.Undecodable("opj_decompress")
        cell = "<" + ("i" if is_signed else "u") + ("1" if precision <= 8 else "2")
        planes = [numpy.fromfile(os.path.join(folder, "f%05d.rawl" % n), dtype=cell) for n in range(len(frames))]
    a = all_frames(numpy.concatenate(planes), form, len(frames))
    return a.reshape(len(frames), form.samples, -1).transpose(0, 2, 1)


def by_ffmpeg(frames, form):
    count, precision, is_signed, _, _ = judge.siz(frames[0])
    with tempfile.TemporaryDirectory() as folder:
        put_frames(frames, folder, "j2k")
        if (count, precision) not in ffmpeg_depths:
            probe = subprocess.run(["ffprobe", "-v", "quiet", "-show_entries", "stream=pix_fmt", "-of", "csv=p=0",
                                    os.path.join(folder, "f00000.j2k")], stdout=subprocess.PIPE, text=True, timeout=60)
            ffmpeg_depths[count, precision] = probe.stdout.strip()
        native = ffmpeg_depths[count, precision]
        depth = {"gray": 8, "gray10le": 10, "gray12le": 12, "gray14le": 14, "gray16le": 16, "rgb24": 8}.get(native)
        if depth is None:
            raise judge.Undecodable("ffmpeg says " + native)
        a = run_ffmpeg(folder, "j2k", "jpeg2000", native, depth)
    a = all_frames(a, form, len(frames)) >> depth - precision     # it writes samples into the high bits
    if is_signed:                                                 # and adds the level shift to signed ones too
        a -= 1 << (precision - 1)
    return a.reshape(len(frames), -1, form.samples)


def by_ffmpeg_jls(frames, form):
    with tempfile.TemporaryDirectory() as folder:
        put_frames(frames, folder, "jls")
        depth = 16 if form.stored > 8 else 8
        a = run_ffmpeg(folder, "jls", "jpegls", "gray16le" if depth == 16 else "gray", depth)
    a = all_frames(a, form, len(frames)) >> depth - form.stored
    return a.reshape(len(frames), -1, 1)


def run_ffmpeg(folder, ending, decoder, pixels, depth):
    to = os.path.join(folder, "out")
    if not judge.run("ffmpeg", "-v", "error", "-y", "-threads", "1", "-f", "image2", "-c:v", decoder, "-i",
                     os.path.join(folder, "f%05d." + ending), "-f", "rawvideo", "-pix_fmt", pixels, to):
        raise judge.Undecodable("ffmpeg")
    return numpy.fromfile(to, dtype="<u1" if depth == 8 else "<u2").astype(numpy.int32)


def by_tool(words, path):
    """A DICOM tool makes native pixels of a whole file."""
    with tempfile.TemporaryDirectory() as folder:
        to = os.path.join(folder, "native.dcm")
        if not judge.run(*words, path, to):
            raise judge.Undecodable(words[0])
        return native_of(to)


def by_dcmdump(path, form):
    with tempfile.TemporaryDirectory() as folder:
        if not judge.run("dcmdump", "-q", "+W", folder, path):
            raise judge.Undecodable("dcmdump")
        largest = max((os.path.join(folder, n) for n in os.listdir(folder)), key=os.path.getsize)
        with open(largest, "rb") as f:
            return judge.native_pixels(form, PIXELS, "OW", f.read(), False)


def by_pydicom(path):
    """Its own pixel array, colour by pixel, whatever planes and endianness the file has."""
    a = pydicom.dcmread(path).pixel_array
    return numpy.ascontiguousarray(a).astype(a.dtype.newbyteorder("<")).tobytes()


def cells(a, form, precision):
    """Decoded samples as they lie in the file: sign extended where the image is signed."""
    if form.is_signed:
        a = judge.sign_extend(a, precision, form.bits)
    return numpy.ascontiguousarray(a).astype(form.cell()).tobytes()


# --- judge -----------------------------------------------------------------------------------------------------------

def native_of(path):
    judge.raw_elements.clear()
    ds = pydicom.dcmread(path)
    element = judge.raw_of(ds, PIXELS)
    form = judge.Form(ds, str(ds.file_meta.TransferSyntaxUID))
    return judge.native_pixels(form, PIXELS, judge.vr_of(element, False), element.value, not element.is_little_endian)


def pixel_bytes(ds):
    tag = next(t for t in (PIXELS, 0x7FE00008, 0x7FE00009) if t in ds)
    return bytes(judge.raw_of(ds, tag).value)


def fetch(ds, syntax, to):
    url = "%s/studies/%s/series/%s/instances/%s" % (os.environ["RADPOST_DICOMWEB_URL"], ds.StudyInstanceUID, ds.SeriesInstanceUID,
                                                    ds.SOPInstanceUID)
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + os.environ["RADPOST_DICOMWEB_TOKEN"],
                                                   "Accept": "application/dicom; transfer-syntax=" + syntax})
    with urllib.request.urlopen(request, timeout=300) as answer, open(to, "wb") as f:
        f.write(answer.read())
    return to


def look_at_coded(stored, explicit, pixels, original):
    """Who sees the sent pixels in a coded file, and what is wrong."""
    ds = pydicom.dcmread(stored)
    form = judge.Form(ds, str(ds.file_meta.TransferSyntaxUID))
    frames = list(generate_pixel_data_frame(judge.raw_of(ds, PIXELS).value, form.frames))
    some, some_pixels = some_of(frames, pixels, form)
    seen, wrong = [], []
    if form.syntax == J2K:
        precision = judge.siz(frames[0])[1]
        looks = {"OpenJPEG's tool": (some_pixels, lambda: cells(by_openjpeg(some, form), form, precision)),
                 "ffmpeg": (some_pixels, lambda: cells(by_ffmpeg(some, form), form, precision))}
    else:
        looks = {"DCMTK": (pixels, lambda: by_tool(("dcmdjpls", "+px"), stored)),
                 "ffmpeg": (some_pixels, lambda: cells(by_ffmpeg_jls(some, form), form, form.stored))}
    looks["GDCM"] = (pixels, lambda: by_tool(("gdcmconv", "--raw"), stored))
    given = pydicom.dcmread(explicit, stop_before_pixels=True)
    looks["DCMTK (given out native)"] = (pixels, lambda: by_dcmdump(explicit, judge.Form(given, TS + ".1")))
    for name, (wanted, look) in looks.items():
        try:
            if look() == wanted:
                seen.append(name)
            else:
                wrong.append(name + " sees other pixels")
        except judge.Undecodable as e:
            wrong.append("%s does not decode it (%s)" % (name, e))
    if by_pydicom(explicit) == original:
        seen.append("pydicom (given out native)")
    else:
        wrong.append("pydicom sees other pixels")
    return seen, wrong


def look_at(job):
    name, sent, kind, entry, spool, folder = job
    judge.raw_elements.clear()
    ds = pydicom.dcmread(sent)
    syntax = str(ds.file_meta.TransferSyntaxUID)
    stored = fetch(ds, "*", os.path.join(folder, "stored.dcm"))
    back = pydicom.dcmread(stored)
    coded = str(back.file_meta.TransferSyntaxUID)
    if coded == syntax:
        told = subprocess.run([os.environ["RADPOST_BIN"] + "/radpost", "queue", "show", spool, entry], stdout=subprocess.PIPE, text=True)
        why = next((line.split(None, 2)[2] for line in told.stdout.splitlines() if line.startswith("not coded")), "?")
        wrong = [] if why.startswith(LEFT_ALONE) else ["goes raw: " + why]
        if pixel_bytes(back) != pixel_bytes(ds):
            wrong.append("its pixel data is not what was sent")
        return name, coded, why, [], wrong
    form = judge.Form(ds, syntax)
    may_be_fast = form.samples == 1 and (form.bits == 8 and form.stored >= 6 or form.bits == 16 and form.stored >= 9)
    wrong = [] if coded == (JPEGLS if kind == "fast" and may_be_fast else J2K) else ["is coded in " + coded]
    explicit = fetch(ds, TS + ".1", os.path.join(folder, "explicit.dcm"))
    seen, more = look_at_coded(stored, explicit, native_of(sent), by_pydicom(sent))
    return name, coded, "", seen, wrong + more


def look_in_a_folder(job):
    with tempfile.TemporaryDirectory() as folder:
        try:
            return look_at(job + (folder,))
        except Exception as e:        # told by name, with the others
            return job[0], "", "", [], ["%s: %s" % (type(e).__name__, e)]


def judge_all(kind, folder, spool):
    with open(os.path.join(folder, "names.json")) as f:
        names = json.load(f)
    with open(os.path.join(folder, "queue")) as f:
        entries = {line.split()[-1]: line.split()[0] for line in f if line.split()[-1].startswith("2.25.")}
    jobs = []
    for n, name in enumerate(names):
        sent = os.path.join(folder, "sent", "%05d.dcm" % n)
        sop = str(pydicom.dcmread(sent, stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
        jobs.append((name, sent, kind, entries[sop], spool))
    coded, left, seen, wrong = collections.Counter(), collections.defaultdict(list), collections.Counter(), []
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        for n, (name, syntax, why, by, bad) in enumerate(pool.map(look_in_a_folder, jobs)):
            if n % 100 == 99:
                print("  %d of %d, %d differ" % (n + 1, len(jobs), len(wrong)), flush=True)
            wrong += ["%s (%s): %s" % (name, syntax, b) for b in bad]
            if why:
                left[why].append(name)
            elif syntax:
                coded[syntax] += 1
            seen.update(by)
    print("  %d coded: %s" % (sum(coded.values()), ", ".join("%d in %s" % (c, s) for s, c in sorted(coded.items()))))
    print("  the sent pixels are seen by " + ", ".join("%s %d" % pair for pair in sorted(seen.items())))
    for why, whose in sorted(left.items()):
        print("  as they were sent, %s: %s" % (why, ", ".join(whose) if len(whose) < 5 else "%d files" % len(whose)))
    for line in wrong:
        print("FAILED:", line)
    sys.exit(1 if wrong or sum(coded.values()) < 40 else 0)


if __name__ == "__main__":
    {"pick": pick, "copies": copies, "judge": judge_all}[sys.argv[1]](*sys.argv[2:])
