#!/usr/bin/python3
"""digests.py [--openjpeg | --ffmpeg] FILE... - the judge: pixels and dataset digests of DICOM files.

Prints one JSON line a file: file, sop_instance, study, class, syntax, pixels, dataset, decoder; or file and error. The definition is
docs/formats/digests.md. Shares no code with Radpost: parsing is pydicom's; RLE is decoded by pydicom, JPEG lossless and
JPEG-LS by GDCM (by DCMTK where GDCM refuses), JPEG 2000 by ffmpeg's own decoder (OpenJPEG where that refuses, and for
HTJ2K), deflated frames by zlib. --openjpeg and --ffmpeg allow only that one for JPEG 2000.
"""
import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
import zlib

warnings.filterwarnings("ignore")
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
import numpy
import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.encaps import generate_pixel_data_fragment, generate_pixel_data_frame, get_frame_offsets
from pydicom.filebase import DicomBytesIO
from pydicom.pixel_data_handlers.rle_handler import _rle_decode_frame

UNDEFINED = 0xFFFFFFFF
LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
SHORT = {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM",
         "UI", "UL", "US"}
TEXT = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"}
WORD = {"AT": 2, "OW": 2, "SS": 2, "US": 2, "FL": 4, "OF": 4, "OL": 4, "SL": 4, "UL": 4,
        "FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8}
LEFT_OUT = {0x00280006, 0x7FE00001, 0x7FE00002, 0x7FE00003, 0x7FE00008, 0x7FE00009, 0x7FE00010, 0xFFFCFFFC}
P = "1.2.840.10008.1.2"
JPEG_LOSSLESS, JPEGLS = {P + ".4.57", P + ".4.70"}, {P + ".4.80"}
J2K, HTJ2K = {P + ".4.90"}, {P + ".4.201", P + ".4.202"}
RLE, DEFLATED_FRAME, UNCOMPRESSED = {P + ".5"}, {P + ".8.1"}, {P + ".1.98"}
J2K_DECODERS = ["ffmpeg", "openjpeg"]


class Undecodable(Exception):
    pass


# pydicom forgets an element's bytes once anybody asks for its value (and it asks itself, for the character set): keep them.
set_element = pydicom.Dataset.__setitem__
raw_elements = {}                     # (id of a data set's dictionary, tag) > (raw element, that dictionary)


def set_and_keep(self, key, element):
    old = None if isinstance(key, slice) else self._dict.get(pydicom.tag.Tag(key))
    if isinstance(old, pydicom.dataelem.RawDataElement):
        raw_elements.setdefault((id(self._dict), int(key)), (old, self._dict))
    set_element(self, key, element)


pydicom.Dataset.__setitem__ = set_and_keep


def raw_of(dataset, tag):
    """The element as it was read: raw, or a sequence of undefined length."""
    return raw_elements.get((id(dataset._dict), int(tag)), (dataset._dict[tag], None))[0]


def swapped(value, word):
    if word == 1:
        return value
    whole = len(value) - len(value) % word
    return numpy.frombuffer(value[:whole], dtype=">u%d" % word).byteswap().tobytes() + value[whole:]


# --- dataset ---------------------------------------------------------------------------------------------------------

def header(tag, vr, length):
    return (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr + length.to_bytes(4, "little")


def vr_of(element, is_signed):
    """VR by rule 2; the element is as pydicom read it."""
    if isinstance(element, pydicom.DataElement) or not element.is_implicit_VR:
        return element.VR
    tag = int(element.tag)
    if tag & 0xFFFF == 0:
        return "UL"
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "UN"
    if vr == "US or SS":
        return "SS" if is_signed else "US"
    return "OW" if " or " in vr else vr


def items_of(dataset, tag, element, vr):
    """The items when the element is a sequence, else None."""
    if isinstance(element, pydicom.DataElement):
        return element.value if element.VR == "SQ" else None
    return dataset[tag].value if vr == "SQ" else None


def add_plain(out, tag, vr, value, is_big):
    if vr in SHORT and len(value) > 0xFFFE:
        vr = "UN"
    value = swapped(value, WORD.get(vr, 1)) if is_big else value
    if len(value) % 2:
        value += b" " if vr in TEXT else b"\0"
    out.update(header(tag, vr.encode("latin-1"), len(value)))
    out.update(value)


def add_fragments(out, tag, vr, value):
    out.update(header(tag, vr.encode("latin-1"), UNDEFINED))
    at = 0
    while at < len(value):
        n = int.from_bytes(value[at + 4:at + 8], "little")
        out.update(header(0xFFFEE000, b"\0\0", n))
        out.update(value[at + 8:at + 8 + n])
        at += 8 + n
    out.update(header(0xFFFEE0DD, b"\0\0", 0))


def add_dataset(out, dataset, is_signed, depth):
    for tag in list(dataset._dict.keys()):
        element = raw_of(dataset, tag)
        number = int(tag)
        if number & 0xFFFF == 0 or (depth == 0 and number in LEFT_OUT):
            continue
        vr = vr_of(element, is_signed)
        items = items_of(dataset, tag, element, vr)
        if items is not None:
            out.update(header(number, b"SQ", UNDEFINED))
            for item in items:
                out.update(header(0xFFFEE000, b"\0\0", UNDEFINED))
                add_dataset(out, item, is_signed, depth + 1)
                out.update(header(0xFFFEE00D, b"\0\0", 0))
            out.update(header(0xFFFEE0DD, b"\0\0", 0))
            continue
        value = element.value or b""
        if element.length == UNDEFINED:
            add_fragments(out, number, vr, value)
            continue
        if number == 0x00280103 and len(value) == 2:
            is_signed = value in (b"\1\0", b"\0\1") and value[0 if element.is_little_endian else 1] == 1
        if number == 0x00280004 and depth == 0:
            value = value.rstrip(b" \0")
            value, vr = (b"RGB" if value == b"YBR_RCT" else value), "CS"
        add_plain(out, number, vr, value, not element.is_little_endian)


def dataset_digest(dataset):
    out = hashlib.sha256()
    add_dataset(out, dataset, False, 0)
    return out.hexdigest()


# --- pixels ----------------------------------------------------------------------------------------------------------

class Form:
    def __init__(self, ds, syntax):
        def number(tag, missing):
            element = ds.get(tag)
            try:
                return int(element.value) if element is not None and element.value not in (None, "") else missing
            except (TypeError, ValueError):
                return missing
        self.syntax = syntax
        self.rows, self.cols = number(0x00280010, 0), number(0x00280011, 0)
        self.frames = number(0x00280008, 1) or 1
        self.samples = number(0x00280002, 1)
        self.bits = number(0x00280100, 0)
        self.stored = number(0x00280101, 0)
        self.is_signed = number(0x00280103, 0) == 1
        self.is_planar = number(0x00280006, 0) == 1 and self.samples > 1
        element = ds.get(0x00280004)
        self.photometric = str(element.value).strip() if element is not None and element.value else ""

    def cell(self):
        return "<u1" if self.bits == 8 else "<u2"


def native_pixels(form, tag, vr, value, is_big):
    value = swapped(value, WORD.get(vr, 1)) if is_big else value
    bits = {0x7FE00008: 32, 0x7FE00009: 64}.get(tag, form.bits)
    samples = form.rows * form.cols * form.samples
    sub_sampled = False
    if form.samples == 3 and form.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422"):
        samples, sub_sampled = samples // 3 * 2, True
    elif form.samples == 3 and form.photometric == "YBR_PARTIAL_420":
        samples, sub_sampled = samples // 2, True
    n = (samples * bits * form.frames + 7) // 8
    if n == 0 or len(value) not in (n, n + n % 2):
        return value
    value = value[:n]
    if form.is_planar and bits % 8 == 0 and not sub_sampled:
        a = numpy.frombuffer(value, dtype="V%d" % (bits // 8))
        a = a.reshape(form.frames, form.samples, form.rows * form.cols)
        value = numpy.ascontiguousarray(a.transpose(0, 2, 1)).tobytes()
    return value


def fragments_of(value):
    stream = DicomBytesIO(value)
    stream.is_little_endian = True
    get_frame_offsets(stream)
    return list(generate_pixel_data_fragment(stream))


def sign_extend(a, precision, bits):
    a = a.astype(numpy.int64) & ((1 << precision) - 1)
    return numpy.where(a >> (precision - 1) & 1, a - (1 << precision), a) & ((1 << bits) - 1)


def jpeg_precision(frame):
    at = 2
    while at + 5 <= len(frame):
        if frame[at] != 0xFF:
            raise Undecodable("marker")
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            return frame[at + 4]
        at += 2 + int.from_bytes(frame[at + 2:at + 4], "big")
    raise Undecodable("no frame header")


def run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
    return done.returncode == 0


def write_plain(form, frames, to):
    """A file of just the image's form and its frames, one fragment each: what the tools are tested with."""
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(form.syntax)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "1.2.3"
    ds.Rows, ds.Columns, ds.NumberOfFrames = form.rows, form.cols, form.frames
    ds.SamplesPerPixel, ds.PhotometricInterpretation = form.samples, form.photometric
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = form.bits, form.stored, form.stored - 1
    ds.PixelRepresentation = int(form.is_signed)
    if form.samples > 1:
        ds.PlanarConfiguration = 0
    ds.PixelData = pydicom.encaps.encapsulate(frames)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.save_as(to, write_like_original=False)


def decode_file(form, tools, frames):
    """The frames by a DICOM tool, then its native pixels; every frame's precision vetted first."""
    precisions = {jpeg_precision(f) for f in frames}
    if len(precisions) != 1:
        raise Undecodable("precision varies")
    precision = precisions.pop()
    if precision > form.bits or (precision <= 8) != (form.bits == 8):
        raise Undecodable("precision and cell disagree")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.dcm")
        write_plain(form, frames, path)
        for name, words in tools:
            to = os.path.join(folder, name + ".dcm")
            if not run(*words, path, to) or not os.path.exists(to):
                continue
            ds = pydicom.dcmread(to, force=True)
            if ds.file_meta.TransferSyntaxUID.is_compressed:
                continue
            inner = Form(ds, ds.file_meta.TransferSyntaxUID)
            value = native_pixels(inner, 0x7FE00010, "OW", bytes(ds.PixelData), False)
            if form.is_signed and precision < form.bits:
                value = sign_extend(numpy.frombuffer(value, dtype=form.cell()), precision, form.bits)
                value = value.astype(form.cell()).tobytes()
            if len(value) == form.rows * form.cols * form.samples * form.bits // 8 * form.frames:
                return value, name
    raise Undecodable("no tool decodes it")


def siz(frame):
    """Components of a JPEG 2000 codestream: count, precision, is signed, width, height."""
    if frame[:4] != b"\xFF\x4F\xFF\x51":
        raise Undecodable("no codestream")
    word = lambda at, n: int.from_bytes(frame[at:at + n], "big")
    count = word(40, 2)
    kinds = {frame[42 + 3 * i] for i in range(count)}
    if len(kinds) != 1:
        raise Undecodable("components differ")
    kind = kinds.pop()
    return count, (kind & 127) + 1, kind >= 128, word(8, 4) - word(16, 4), word(12, 4) - word(20, 4)


def by_openjpeg(frame, folder, count, precision, is_signed, width, height):
    source, to = os.path.join(folder, "f.j2k"), os.path.join(folder, "f.rawl")
    with open(source, "wb") as f:
        f.write(frame)
    if not run("opj_decompress", "-i", source, "-o", to):
        raise Undecodable("opj_decompress")
    kind = ("i" if is_signed else "u") + ("1" if precision <= 8 else "2")
    a = numpy.fromfile(to, dtype="<" + kind)
    os.unlink(to)
    if len(a) != count * width * height:
        raise Undecodable("size")
    return a.reshape(count, width * height).T


def by_ffmpeg(frame, folder, count, precision, is_signed, width, height):
    source, to = os.path.join(folder, "f.j2k"), os.path.join(folder, "f.raw")
    with open(source, "wb") as f:
        f.write(frame)
    if count not in (1, 3) or (count == 3 and precision != 8):
        raise Undecodable("form")
    probe = subprocess.run(["ffprobe", "-v", "quiet", "-show_entries", "stream=pix_fmt", "-of", "csv=p=0", source],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    native = probe.stdout.decode().strip()
    depth = {"gray": 8, "gray10le": 10, "gray12le": 12, "gray14le": 14, "gray16le": 16, "rgb24": 8}.get(native)
    if depth is None:
        raise Undecodable("ffmpeg says " + native)
    if not run("ffmpeg", "-v", "error", "-y", "-threads", "1", "-c:v", "jpeg2000", "-i", source, "-f", "rawvideo",
               "-pix_fmt", native, to):
        raise Undecodable("ffmpeg")
    a = numpy.fromfile(to, dtype="<u1" if depth == 8 else "<u2").astype(numpy.int64)
    os.unlink(to)
    if len(a) != count * width * height:
        raise Undecodable("size")
    a >>= depth - precision          # it writes samples into the high bits
    if is_signed:                    # and adds the level shift to signed ones too
        a -= 1 << (precision - 1)
    return a.reshape(width * height, count)


def decode_j2k(frames, form, decoders):
    names, out = set(), []
    with tempfile.TemporaryDirectory() as folder:
        for frame in frames:
            count, precision, is_signed, width, height = siz(frame)
            if precision > form.bits or (count, width, height) != (form.samples, form.cols, form.rows):
                raise Undecodable("form")
            for name in decoders:
                try:
                    a = {"ffmpeg": by_ffmpeg, "openjpeg": by_openjpeg}[name](
                        frame, folder, count, precision, is_signed, width, height)
                    break
                except Undecodable:
                    if name == decoders[-1]:
                        raise
            names.add(name)
            if is_signed or form.is_signed:
                a = sign_extend(a, precision, form.bits)
            out.append(numpy.ascontiguousarray(a).astype(form.cell()).tobytes())
    return b"".join(out), "+".join(sorted(names))


def decode_rle(frames, form):
    out = []
    for frame in frames:
        planes = _rle_decode_frame(frame, form.rows, form.cols, form.samples, form.bits)
        planes = numpy.frombuffer(bytes(planes), dtype=form.cell()).reshape(form.samples, form.rows * form.cols)
        out.append(numpy.ascontiguousarray(planes.T).tobytes())
    return b"".join(out), "pydicom"


def decode_deflated(frames, form):
    n = (form.rows * form.cols * form.samples * form.bits + 7) // 8
    out = [zlib.decompressobj(-15).decompress(frame) for frame in frames]
    if any(len(frame) < n for frame in out):
        raise Undecodable("short")
    return b"".join(frame[:n] for frame in out), "zlib"


def decode(form, value):
    frames = list(generate_pixel_data_frame(value, form.frames))
    if len(frames) != form.frames:
        raise Undecodable("frames cannot be told apart")
    if form.syntax in JPEG_LOSSLESS:
        return decode_file(form, [("gdcm", ("gdcmconv", "--raw")), ("dcmtk", ("dcmdjpeg", "+cn", "+pi"))], frames)
    if form.syntax in JPEGLS:
        return decode_file(form, [("gdcm", ("gdcmconv", "--raw")), ("dcmtk", ("dcmdjpls", "+px"))], frames)
    if form.bits in (8, 16) and form.syntax in RLE:
        return decode_rle(frames, form)
    if form.bits in (8, 16) and form.syntax in J2K:
        return decode_j2k(frames, form, J2K_DECODERS)
    if form.bits in (8, 16) and form.syntax in HTJ2K:
        return decode_j2k(frames, form, ["openjpeg"])
    if form.syntax in DEFLATED_FRAME:
        return decode_deflated(frames, form)
    if form.syntax in UNCOMPRESSED:
        n = form.rows * form.cols * form.samples * form.bits // 8
        return b"".join(frame[:n] for frame in frames), "none"
    raise Undecodable("not lossless")


def pixels_digest(ds, syntax):
    tag = next((t for t in ds._dict.keys() if int(t) in (0x7FE00008, 0x7FE00009, 0x7FE00010)), None)
    if tag is None:
        return hashlib.sha256(b"").hexdigest(), "no pixels"
    element = raw_of(ds, tag)
    form = Form(ds, syntax)
    value = element.value or b""
    if element.length != UNDEFINED:
        vr = vr_of(element, False)
        value = native_pixels(form, int(tag), vr, value, not element.is_little_endian)
        return hashlib.sha256(value).hexdigest(), "native"
    try:
        pixels, decoder = decode(form, value)
    except (Undecodable, ValueError, NotImplementedError, zlib.error, IndexError) as e:
        return hashlib.sha256(b"".join(fragments_of(value))).hexdigest(), "coded bytes (%s)" % e
    return hashlib.sha256(pixels).hexdigest(), decoder


def judge(path):
    raw_elements.clear()
    ds = pydicom.dcmread(path)
    syntax = str(ds.file_meta.TransferSyntaxUID)
    dataset = dataset_digest(ds)
    pixels, decoder = pixels_digest(ds, syntax)
    return {"file": path, "sop_instance": str(ds.get("SOPInstanceUID", "")), "study": str(ds.get("StudyInstanceUID", "")),
            "class": str(ds.get("SOPClassUID", "")), "syntax": syntax, "pixels": pixels, "dataset": dataset,
            "decoder": decoder}


def main():
    global J2K_DECODERS
    files = sys.argv[1:]
    while files and files[0] in ("--openjpeg", "--ffmpeg"):
        J2K_DECODERS = [files.pop(0)[2:]]
    for path in files:
        try:
            line = judge(path)
        except Exception as e:        # a file that pydicom cannot read is told, not skipped
            line = {"file": path, "error": "%s: %s" % (type(e).__name__, e)}
        print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
