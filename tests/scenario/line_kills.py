"""line_kills - cuts and kills on a real line between two network namespaces, with every byte on it counted.

  line_kills.py PROGRAMS EVENTS CUT_SECONDS SLICES

A first study goes undisturbed: what the line carries beyond its coded bytes is the price of headers. Then for each
kind of event a study goes during which it happens; the whole study has to arrive, once, and the line may carry
besides that price one chunk for each connection and event. Ends with 0, or 1 and what was wrong.
"""
import importlib.machinery, importlib.util, os, random, shutil, subprocess, sys, tempfile, time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHUNK = 262144
LINE = "10,60,0.5"
STILL_S = 60  # how long it takes is the bench's question, and other work's; here it may not stand still


def load_bench():
    loader = importlib.machinery.SourceFileLoader("forward", os.path.join(TOP, "tests/bench/forward"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("forward", loader))
    loader.exec_module(module)
    return module


F = load_bench()
P = F.P


class Options:
    option = ["link_connections = 2"]  # so that a chunk for each connection is a number
    keep = False

    def __init__(self, programs):
        self.programs = programs


def coded_bytes(who, uid):
    who.counter.p.stdin.write("SELECT coalesce(sum(i.size), 0), count(*), count(DISTINCT i.sop_instance) FROM instances i "
                              "JOIN studies s ON s.id = i.study WHERE s.study_uid = '%s' AND NOT i.is_quarantined;\n" % uid)
    return [int(x) for x in who.counter.p.stdout.readline().split("|")]


def knows_all_held(who, uid, slices):
    """The gateway was told so: nothing of the study is on its way any more."""
    with open(os.path.join(who.dir, "radpost-gateway.log")) as log:
        return "UPLINK_STUDY_HELD study=%s instances=%d\n" % (uid, slices) in log.read()


def quarantined(who):
    who.counter.p.stdin.write("SELECT count(*) FROM instances WHERE is_quarantined;\n")
    return int(who.counter.p.stdout.readline())


def kill(who, program, port):
    p = who.procs[program]
    for pid in P.tree(p.pid):
        try:
            os.kill(pid, 9)
        except OSError:
            pass
    p.wait()
    who.spawn(who.line.b if program == "radpost-storage" else who.line.a, program,
              os.path.join(who.dir, "storage.conf" if program == "radpost-storage" else "gateway.conf"), port)


class Event:
    def __init__(self, who, kind, cut_s):
        self.who, self.kind, self.cut_s = who, kind, cut_s

    def happen(self):
        if self.kind == "cut":
            self.who.line.do("cut")
            time.sleep(self.cut_s)
            self.who.line.do("heal")
        elif self.kind == "storage":
            kill(self.who, "radpost-storage", 8443)
        else:
            kill(self.who, "radpost-gateway", F.PORT)


def go(who, slices, event, times):
    """One study, with the event at random moments of its way; what the line carried and the coded bytes."""
    folder = F.study("ct", slices)
    try:
        files = P.files_of([folder])
        uid = F.uid_of(files[0])
        F.store(who, files)
        base, done = who.line.carried(), 0
        begun = moved = time.time()
        before, at = 0, base
        while True:
            held = who.state(uid)[2]
            if held >= slices and knows_all_held(who, uid, slices):
                break
            if held > before:
                before, moved = held, time.time()
            if time.time() - moved > STILL_S:
                sys.exit("%s: %d of %d images after %d s, no more for %d s" %
                         (event.kind if event else "undisturbed", held, slices, time.time() - begun, STILL_S))
            if done < times and who.line.carried() >= at:
                event.happen()
                done, moved = done + 1, time.time()
                at = who.line.carried() + random.uniform(0.2, 1.0) * slices * 120000 / max(times, 1) / 2
            time.sleep(0.02)
        took = time.time() - begun
        carried = who.line.carried() - base
        coded, count, different = coded_bytes(who, uid)
        if (count, different) != (slices, slices):
            sys.exit("%d images, %d different ones, %d were sent" % (count, different, slices))
        return carried, coded, done, took
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    programs, times, cut_s, slices = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    seed = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
    random.seed(seed)
    print("  seed %d" % seed)
    bad = []
    line, pg, who = F.Line(LINE, seed), None, None
    try:
        pg = P.Postgres()
        who = F.Ours(Options(programs), line, pg)
        who.start()
        carried, coded, _, took = go(who, slices, None, 0)
        price = carried / coded
        print("  undisturbed: %d bytes on the line for %d coded ones in %.1f s" % (carried, coded, took))
        for kind in ("cut", "storage", "gateway"):
            carried, coded, done, took = go(who, slices, Event(who, kind, cut_s), times)
            twice = carried - coded * price
            print("  %d x %s: %d bytes for %d coded ones in %.1f s; beyond the price of headers %d, %d an event" %
                  (done, kind, carried, coded, took, twice, twice / max(done, 1)))
            if done == 0:
                bad.append("no %s happened" % kind)
            if twice > done * 2 * CHUNK + coded * 0.02:
                bad.append("%s: more than a chunk for each connection and event went twice" % kind)
        if quarantined(who):
            bad.append("%d images were put aside" % quarantined(who))
    finally:
        if who:
            who.stop()
        line.do("down")
        if pg:
            pg.stop()
    for words in bad:
        print("FAILED: " + words, file=sys.stderr)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
