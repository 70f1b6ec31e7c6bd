#!/usr/bin/python3
"""previews.py wait STUDY... | judge CODEC ASSETS PROFILE FILE... - frames of images that are still on their way, by the
preview route.

wait    until every instance offered of these studies can be looked at
judge   fetches the first, middle and last frame of each file's instance as a codestream, has it decoded by OpenJPEG's tool,
        by ffmpeg and by the reading page's codec (CODEC, its script; ASSETS, where the pages' own WebAssembly is) in
        Chromium, and compares with the file's pixels. A first layer is not exact: the root mean square of the difference is
        at most a twentieth of the image's range. Chromium and the tool have the same algorithm: they differ by 1 at most.
"""
import glob
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request

import numpy
import pydicom

from every_image import by_ffmpeg, by_openjpeg, judge, native_of

CODESTREAM = "application/vnd.radpost.preview+j2c"
PART_OF_RANGE = 20
BASE = os.environ["RADPOST_DICOMWEB_URL"].removesuffix("/dicomweb") + "/preview/studies/"
PAGE = b"""<!doctype html><meta charset="utf-8"><script src="codec.js"></script><script>
const decode = async () => {
  const codec = await OpenJPEGWASM({ locateFile: () => "codec.wasm" });
  const names = await (await fetch("frames")).json();
  for (const name of names) {
    const bytes = new Uint8Array(await (await fetch(name)).arrayBuffer());
    const decoder = new codec.J2KDecoder();
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    const info = decoder.getFrameInfo();
    const head = [info.width, info.height, info.componentCount, info.bitsPerSample, info.isSigned ? 1 : 0].join(" ");
    await fetch(name, { method: "POST", headers: { "X-Info": head }, body: new Uint8Array(decoder.getDecodedBuffer()) });
    decoder.delete();
  }
};
decode().then(() => fetch("end", { method: "POST", body: "" }), (e) => fetch("end", { method: "POST", body: String(e) }));
</script>"""


def ask(path, accept):
    request = urllib.request.Request(BASE + path, headers={"Authorization": "Bearer " + os.environ["RADPOST_DICOMWEB_TOKEN"],
                                                           "Accept": accept})
    return urllib.request.urlopen(request, timeout=60)


def is_looked(study):
    try:
        with ask(study, "application/json") as answer:
            told = json.load(answer)
    except urllib.error.HTTPError:
        return False
    if told["whole"] > 0:
        sys.exit("FAILED: study %s is whole: there is no preview of it any more" % study)
    instances = told["instances"]
    return len(instances) > 0 and all(i["layers_here"] > 0 for i in instances)


def wait(*studies):
    until = time.monotonic() + 120
    while not all(is_looked(s) for s in studies):
        if time.monotonic() > until:
            sys.exit("FAILED: after two minutes not every study has its first looks")
        time.sleep(0.1)


class Site(http.server.BaseHTTPRequestHandler):
    """What the page asks for, and where it brings its pixels."""

    def log_message(self, *words):
        pass

    def answer(self, body, kind="application/octet-stream"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        kinds = {"/": "text/html", "/codec.js": "text/javascript", "/codec.wasm": "application/wasm", "/frames": "application/json"}
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
        else:
            self.answer(body, kinds.get(self.path, "application/octet-stream"))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/end":
            self.server.complaint = body.decode()
            self.server.ended.set()
        else:
            self.server.pixels[self.path] = (self.headers["X-Info"], body)
        self.answer(b"")


def in_chromium(codec, assets, profile, frames):
    """What the page's codec makes of each codestream: name > (its words about it, bytes)."""
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    wasm, = glob.glob(os.path.join(assets, "openjpegwasm_decode-*.wasm"))
    with open(codec, "rb") as js, open(wasm, "rb") as w:
        site.files = {"/": PAGE, "/codec.js": js.read(), "/codec.wasm": w.read()}
    site.files.update({"/" + name: frame for name, frame in frames.items()})
    site.files["/frames"] = json.dumps(list(frames)).encode()
    site.pixels, site.ended, site.complaint = {}, threading.Event(), ""
    threading.Thread(target=site.serve_forever, daemon=True).start()
    browser = subprocess.Popen(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
                                "--disable-background-networking", "--disable-component-update", "--user-data-dir=" + profile,
                                "--remote-debugging-port=0", "http://127.0.0.1:%d/" % site.server_address[1]],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if not site.ended.wait(120):
            sys.exit("FAILED: the browser does not come to an end")
    finally:
        browser.terminate()
        browser.wait()
        site.shutdown()
    if site.complaint:
        sys.exit("FAILED: the browser's codec: " + site.complaint)
    return site.pixels


def fetch_frames(path):
    """Codestreams of the first, middle and last frame, and the pixels they are to look like."""
    ds = pydicom.dcmread(path)
    form = judge.Form(ds, str(ds.file_meta.TransferSyntaxUID))
    pixels = numpy.frombuffer(native_of(path), dtype=form.cell())
    if form.is_signed:
        pixels = pixels.astype("<i2" if form.bits == 16 else "i1")
    pixels = pixels.astype(numpy.int64).reshape(form.frames, form.rows * form.cols, form.samples)
    for frame in sorted({1, form.frames // 2 + 1, form.frames}):
        with ask("%s/instances/%s/frames/%d" % (ds.StudyInstanceUID, ds.SOPInstanceUID, frame), CODESTREAM) as answer:
            if answer.headers["Content-Type"] != CODESTREAM or "no-store" not in answer.headers["Cache-Control"] or \
                    not answer.headers["Radpost-Preview"].startswith("layers="):
                sys.exit("FAILED: the preview does not say what it is")
            yield "%s-%d" % (ds.SOPInstanceUID, frame), form, answer.read(), pixels[frame - 1]


def off_by(a, b):
    return float(numpy.sqrt(numpy.mean((a.astype(numpy.float64) - b) ** 2)))


def look_at(name, form, stream, sent, seen):
    """Lines about what is wrong with one frame, and how far each decoder is off."""
    _, precision, is_signed, width, height = judge.siz(stream)
    words, body = seen["/" + name]
    if words != "%d %d %d %d %d" % (width, height, form.samples, precision, is_signed):
        return ["the browser sees another form: " + words], {}
    cell = ("i" if is_signed else "u") + ("1" if precision <= 8 else "2")
    shown = numpy.frombuffer(body, dtype="<" + cell).astype(numpy.int64).reshape(-1, form.samples)
    drawn = {"OpenJPEG's tool": by_openjpeg([stream], form)[0].astype(numpy.int64), "ffmpeg": by_ffmpeg([stream], form)[0],
             "Chromium": shown}
    most = (sent.max() - sent.min()) / PART_OF_RANGE
    off = {who: off_by(a, sent) for who, a in drawn.items()}
    wrong = ["%s is off by %.1f, at most %.1f may be" % (who, o, most) for who, o in off.items() if not 0 < o <= most]
    if numpy.abs(shown - drawn["OpenJPEG's tool"]).max() > 1:
        wrong.append("Chromium and OpenJPEG's tool do not see the same")
    return wrong, off


def judge_all(codec, assets, profile, *paths):
    frames = [frame for path in paths for frame in fetch_frames(path)]
    seen = in_chromium(codec, assets, profile, {name: stream for name, _, stream, _ in frames})
    bad = 0
    for name, form, stream, sent in frames:
        wrong, off = look_at(name, form, stream, sent, seen)
        print("  %dx%d, %d samples of %d bits, frame %s: %d bytes; %s" % (
            form.cols, form.rows, form.samples, form.stored, name.rsplit("-", 1)[1], len(stream),
            ", ".join("%s %.1f" % pair for pair in off.items())))
        for line in wrong:
            print("FAILED:", line)
        bad += len(wrong)
    sys.exit(1 if bad or len(frames) < 9 else 0)


if __name__ == "__main__":
    {"wait": wait, "judge": judge_all}[sys.argv[1]](*sys.argv[2:])
