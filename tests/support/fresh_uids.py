#!/usr/bin/python3
"""fresh_uids.py OUT SRC... [--each] - copies of DICOM files with new study, series and instance UIDs.

Everything else keeps its bytes (raw elements are written as they were read). Files of one study stay one study;
with --each every file becomes a study of its own. Prints the new Study Instance UIDs, one a line.
"""
import os
import sys
import uuid

import pydicom
from pydicom import config

config.settings.reading_validation_mode = config.IGNORE
config.settings.writing_validation_mode = config.IGNORE


def uid():
    return f"2.25.{uuid.uuid4().int}"


def files(sources):
    for source in sources:
        if os.path.isfile(source):
            yield source
        for folder, _, names in sorted(os.walk(source)):
            for name in sorted(names):
                if name != "DICOMDIR":
                    yield os.path.join(folder, name)


def main():
    words = [w for w in sys.argv[1:] if w != "--each"]
    each = "--each" in sys.argv
    out, sources = words[0], words[1:]
    os.makedirs(out, exist_ok=True)
    new, studies = {}, []
    for n, path in enumerate(files(sources)):
        data = pydicom.dcmread(path, force=True, defer_size=None)
        key = path if each else ""

        def fresh(kind, old):
            return new.setdefault((kind, key, str(old)), uid())

        if "StudyInstanceUID" not in data:
            continue
        data.StudyInstanceUID = fresh("study", data.StudyInstanceUID)
        data.SeriesInstanceUID = fresh("series", data.get("SeriesInstanceUID", ""))
        data.SOPInstanceUID = uid()
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.save_as(os.path.join(out, f"{n:05d}.dcm"), write_like_original=True)
        if data.StudyInstanceUID not in studies:
            studies.append(data.StudyInstanceUID)
    print("\n".join(studies))


if __name__ == "__main__":
    main()
