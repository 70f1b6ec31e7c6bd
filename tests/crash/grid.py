#!/usr/bin/python3
"""grid.py BIN WORK FAULTS DICOM [ROW [FIRST LAST]] - the grid of the gateway's durable way; grid.test says what it is and starts it.

BIN: our programs. WORK: a folder of its own, in memory. FAULTS: a folder with faultlib.so and fork_server.so.
DICOM: a folder with the door's instances, or "". ROW: only rules that begin so, the operation before them or not; FIRST, LAST: only these n.

A program is started once a row and forked for each round (fork_server.c), with the counter that faultlib.so shares with
us set so that the n-th call of the round is the one that fails. RADPOST_LONG=1: for all n, of every row.
"""
import collections, concurrent.futures, os, re, select, shutil, signal, struct, subprocess, sys, time

BASE = 10**9  # the call that fails, by number; the counter begins a round at BASE - n
FIRED_AT, STATE_BYTES = 512, 520  # faultlib.c, struct counters
NO_MEMORY, KILLED, HUNG_S = 75, 128 + 9, 60
CRASHES = [128 + n for n in (signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV)]
BIN, WORK, FAULTS, DICOM = sys.argv[1:5]
ONLY = sys.argv[5] if len(sys.argv) > 5 else ""
FIRST, LAST = (int(n) for n in sys.argv[6:8]) if len(sys.argv) > 7 else (1, 10**6)
LONG = os.environ.get("RADPOST_LONG", "0") != "0"


class Wrong(Exception):
    """A promise that did not hold."""


class Program:
    """An unmodified program whose main() is run again and again."""

    def __init__(self, path, folder, preload=(), environment=None):
        self.says, their_says = os.pipe()
        self.errors = os.path.join(folder, os.path.basename(path) + ".log")
        words = {"LD_PRELOAD": " ".join([*preload, FAULTS + "/fork_server.so"]), **(environment or {})}
        # the file is appended to: it may be cut to nothing between rounds
        script = f'exec 3>&{their_says} 2>>"$1"; shift; exec env "$@"'
        self.path, self.pid = path, None
        self.process = subprocess.Popen(["bash", "-c", script, "bash", self.errors, *(f"{k}={v}" for k, v in words.items()), path],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[their_says])
        os.close(their_says)
        self.answers = b""
        if self._answer("ready", 30) is None:
            raise Wrong(f"{path} does not start")

    def _answer(self, word, seconds):
        until = time.monotonic() + seconds
        while b"\n" not in self.answers:
            if not select.select([self.says], [], [], max(0, until - time.monotonic()))[0]:
                return None
            got = os.read(self.says, 256)
            if not got:
                raise Wrong("the fork server is gone")
            self.answers += got
        line, self.answers = self.answers.split(b"\n", 1)
        got, number = line.decode().split()
        assert got == word, line
        return int(number)

    def begin(self, *words):
        self.output()  # what an earlier child said, and nobody read
        self.process.stdin.write(("\t".join(str(w) for w in words) + "\n").encode())
        self.process.stdin.flush()
        self.pid = self._answer("pid", 30)

    def first_line(self):
        """What the running child says first, or None: it ended without a word."""
        if b"\n" in self.answers:
            return None
        line = b""
        while not line.endswith(b"\n"):
            ready = select.select([self.process.stdout, self.says], [], [], HUNG_S)[0]
            if not ready:
                self._hung()
            if self.process.stdout not in ready:
                return None
            line += os.read(self.process.stdout.fileno(), 4096)
        return line.decode()

    def _hung(self):
        stack = "; ".join(open(f"/proc/{self.pid}/task/{t}/wchan").read() for t in os.listdir(f"/proc/{self.pid}/task"))
        self.stop()
        raise Wrong(f"{os.path.basename(self.path)} hung for {HUNG_S} s in {stack}")

    def signal(self, number):
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass  # it has ended; that is told by ends()

    def stop(self):
        """If it still runs, it does no longer."""
        if self.pid is not None:
            self.signal(signal.SIGKILL)
            self._answer("end", HUNG_S)
            self.pid = None

    def ends(self):
        """How the child ended, as a shell says it."""
        status = self._answer("end", HUNG_S)
        if status is None:
            self._hung()
        self.pid = None
        return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

    def run(self, *words):
        self.begin(*words)
        return self.ends()

    def output(self):
        if select.select([self.process.stdout], [], [], 0)[0]:
            return os.read(self.process.stdout.fileno(), 65536).decode(errors="replace")
        return ""

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        os.close(self.says)


class Row:
    """One rule over one operation: rounds until the program no longer reaches the n-th call. n begins with first and
    goes on by step; parts: so many rows share all n between them, step apart."""

    def __init__(self, operation, rule, step=1, first=1, parts=1):
        self.operation, self.rule, self.step, self.first, self.parts = operation, rule, step, first, parts
        self.faults, self.complaints, self.ends, self.seconds = 0, [], collections.Counter(), 0.0

    def run(self, number):
        began = time.monotonic()
        self.folder = os.path.join(WORK, f"row-{number}")
        os.mkdir(self.folder)
        self.log = os.path.join(self.folder, "faults")
        state = os.path.join(self.folder, "state")
        with open(state, "wb") as f:
            f.write(bytes(STATE_BYTES))
        self.state = os.open(state, os.O_RDWR)
        self.environment = {"FORK_SERVER": "inside", "FAULT_RULES": self.rule.replace("%", str(BASE)), "FAULT_STATE": state, "FAULT_LOG": self.log,
                            "FAULT_PROC": "tool_"}
        operation = None
        try:
            operation = OPERATIONS[self.operation](self)
            for n in range(FIRST + self.first - 1, LAST + 1, self.step):
                if not self.one(operation, n):
                    break
        except Exception as e:  # of ours: the other rows go on, and this one is not true
            self.complaints.append(f"{self.operation} {self.rule}: {e!r}")
        finally:
            if operation is not None:
                operation.close()
            os.close(self.state)
            shutil.rmtree(self.folder)
        self.seconds = time.monotonic() - began
        return self

    def one(self, operation, n):
        os.pwrite(self.state, struct.pack("<Q", BASE - n), 0)
        os.pwrite(self.state, struct.pack("<Q", 0), FIRED_AT)
        if os.path.exists(self.log):
            os.truncate(self.log, 0)
        try:
            end = operation.round(self)
            self.ends[end] += self.is_fired()
            if end in CRASHES:
                raise Wrong(f"died of signal {end - 128}")
            operation.check(self, end)
        except Wrong as wrong:
            what = open(self.log).read().strip().split("\n")[-1] if os.path.exists(self.log) else ""
            self.complaints.append(f"{self.operation} {self.rule}: round {n}: {wrong}; {what}")
            if len(self.complaints) > 20:
                return False
        self.faults += self.is_fired()
        return self.is_fired()

    def is_fired(self):
        return struct.unpack("<Q", os.pread(self.state, 8, FIRED_AT))[0] > 0


class Start:
    """A program from its main() to a spool that is open, and in order to its end: the rounds of the others begin when
    the libraries have read their files."""

    def __init__(self, row):
        self.data = f"{row.folder}/data"
        self.program = Program(f"{BIN}/tool_spool", row.folder, [f"{FAULTS}/faultlib.so"], {**row.environment, "FORK_SERVER": "main"})

    def round(self, row):
        clear(self.data)
        return self.program.run("send", self.data + "/spool", row.folder + "/ledger", 1, 0, 0)

    def check(self, row, end):
        if end not in (0, NO_MEMORY):
            raise Wrong(f"it ended with {end}")
        if row.is_fired() and self.program.run("send", self.data + "/spool", row.folder + "/ledger", 1, 0, 0) != 0:
            raise Wrong("the next start fails")

    def close(self):
        self.program.close()


class Spool:
    """Commits (small ones, one past memory, one with a segment of its own), arrows; a second session that replays."""

    def __init__(self, row):
        self.data, self.ledger = f"{row.folder}/data", f"{row.folder}/ledger"
        self.sender = Program(f"{BIN}/tool_spool", row.folder, [f"{FAULTS}/faultlib.so"], row.environment)
        self.judge = Program(f"{BIN}/tool_spool", row.folder)

    def round(self, row):
        clear(self.data)
        if os.path.exists(self.ledger):
            os.remove(self.ledger)
        end = self.sender.run("send", self.data + "/spool", self.ledger, 2, 2, 1)
        was_fired = row.is_fired()
        if end in CRASHES:
            return end
        # whoever was killed or stopped for want of memory is started once more, and goes on after what was told
        again = self.sender.run("send", self.data + "/spool", self.ledger, 6, 2, 1)
        if was_fired and again != 0:
            raise Wrong(f"the next session did not go on ({again})")
        return again or end

    def check(self, row, end):
        if self.judge.run("judge", self.data + "/spool", self.ledger) != 0:
            raise Wrong(self.judge.output().strip().split("\n")[0])
        self.judge.output()
        # a process that was killed, or stopped for want of memory, may stop early; any other brought everything through
        if end not in (0, KILLED, NO_MEMORY):
            raise Wrong(f"the sender gave up ({end})")

    def close(self):
        self.sender.close()
        self.judge.close()


class Lost:
    """What the centre has lost of the sealed: marked, a copy of it released, one sent again, each in its place; two
    sessions, held against what was told after each."""

    def __init__(self, row):
        self.data, self.ledger, self.begun = f"{row.folder}/data", f"{row.folder}/ledger", f"{row.folder}/begun"
        self.plain = Program(f"{BIN}/tool_lost", row.folder)
        if self.plain.run("make", self.begun) != 0:
            raise Wrong("it cannot be prepared")
        self.gateway = Program(f"{BIN}/tool_lost", row.folder, [f"{FAULTS}/faultlib.so"], row.environment)

    def judge(self):
        if self.plain.run("judge", self.data + "/spool", self.ledger) != 0:
            raise Wrong(self.plain.output().strip().split("\n")[0])

    def round(self, row):
        clear(self.data)
        shutil.copytree(self.begun, self.data + "/spool")
        if os.path.exists(self.ledger):
            os.remove(self.ledger)
        end = self.gateway.run("go", self.data + "/spool", self.ledger)
        was_fired = row.is_fired()
        if end in CRASHES:
            return end
        self.judge()
        again = self.gateway.run("go", self.data + "/spool", self.ledger)
        if was_fired and again != 0:
            raise Wrong(f"the next session did not go on ({again})")
        return again or end

    def check(self, row, end):
        self.judge()
        if end not in (0, KILLED, NO_MEMORY):
            raise Wrong(f"it gave up ({end})")

    def close(self):
        self.gateway.close()
        self.plain.close()


class Door:
    """C-STORE by DCMTK's storescu through associations into the spool; two restarts in between."""

    def __init__(self, row):
        self.data = f"{row.folder}/data"
        self.gateway = Program(f"{BIN}/tool_accept_spool", row.folder, [f"{FAULTS}/faultlib.so"], row.environment)
        self.modality = Program(shutil.which("storescu"), row.folder)
        self.judge = Program(f"{BIN}/tool_spool", row.folder)
        self.sums = [open(f"{DICOM}/{n}.dcm.sum").read().split() for n in (1, 2, 3)]

    def send(self, port, numbers):
        numbers = [n for n in numbers if n not in self.acked]
        if not numbers:
            return
        if os.path.exists(self.modality.errors):
            os.truncate(self.modality.errors, 0)
        self.modality.run("-v", "-R", "-to", 5, "-ta", 5, "-td", 5, "-aet", "MODALITY", "-aec", "RADPOST", "127.0.0.1", port,
                          *(f"{DICOM}/{n}.dcm" for n in numbers))
        told, n = self.modality.output() + open(self.modality.errors).read(), None
        for line in told.split("\n"):
            if "Sending file: " in line:
                n = int(re.search(r"(\d)\.dcm", line)[1])
                self.begun[n] += 1
            elif "Received Store Response (Success)" in line:
                self.acked.add(n)
            elif "Received Store Response" in line:
                self.refused[n] += 1

    def session(self, numbers):
        self.gateway.begin(0, self.data, "MODALITY")
        try:
            line = self.gateway.first_line()
            if line is not None:
                for _ in range(3):
                    self.send(line.split()[1], numbers)
                self.gateway.signal(signal.SIGTERM)
            return self.gateway.ends()
        finally:
            self.gateway.stop()

    def round(self, row):
        clear(self.data)
        self.begun, self.refused, self.acked = collections.Counter(), collections.Counter(), set()
        ends = []
        for numbers in ([1, 2], [1, 2, 3], [1, 2, 3]):
            was_fired = row.is_fired()
            ends.append(self.session(numbers))
            if was_fired:  # in an earlier session: this one has shown that it goes on
                if ends[-1] != 0:
                    raise Wrong(f"the next session did not go on ({ends[-1]})")
                if len(self.acked) == 3:
                    break
        return next((end for end in ends if end != 0), 0)

    def check(self, row, end):
        rc = self.judge.run("sums", self.data + "/spool")
        there = collections.Counter(tuple(line.split()) for line in self.judge.output().split("\n") if line)
        if rc != 0:
            raise Wrong("what is there is not what was received")
        for n, (uid, digest) in enumerate(self.sums, 1):
            most = self.begun[n] - self.refused[n]
            everywhere = sum(count for what, count in there.items() if what[0] == uid)
            if n not in self.acked:
                raise Wrong(f"{n} was never acknowledged")
            if there[uid, digest] < 1:
                raise Wrong(f"{n} LOST: it was acknowledged and is not there")
            if everywhere != there[uid, digest] or everywhere > most:
                raise Wrong(f"{n} is there {everywhere} times, {most} were taken")
        left = [f for folder in ("corrupt", "tmp") for _, _, files in os.walk(f"{self.data}/spool/{folder}") for f in files]
        if set(left) - {"ready"}:  # the segment that comes next
            raise Wrong(f"left over: {left}")

    def close(self):
        self.gateway.close()
        self.modality.close()
        self.judge.close()


# the arrows of what is lost are written and synced, or not
LOST_STEPS = ["write@/spool/#%=EIO", "write@/spool/#%=torn:1", "write@/spool/#%=kill", "write@/spool/#%=killafter",
              "fsync@/spool/#%=EIO", "fsync@/spool/#%=kill", "fsync@/spool/#%=killafter"]
OPERATIONS = {"start": Start, "spool": Spool, "lost": Lost, "door": Door}


def clear(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)


def rows():
    steps = ["write@/spool/#%=EIO", "write@/spool/#%=ENOSPC", "write@/spool/#%=torn:1", "write@/spool/#%=torn:4096",
             "write@/spool/#%=short:1", "write@/spool/#%=EINTR", "write@/spool/#%=kill", "write@/spool/#%=killafter",
             "fsync@/spool/#%=EIO", "fsync@/spool/#%=kill", "fsync@/spool/#%=killafter",
             "rename@/spool/#%=EIO", "rename@/spool/#%=ENOSPC", "rename@/spool/#%=kill", "rename@/spool/#%=killafter",
             "open@/spool/#%=EMFILE", "open@/spool/#%=EIO", "open@/spool/#%=kill", "read@/spool/#%=EIO",
             "alloc@/spool/#%=ENOSPC", "alloc@/spool/#%=kill", "truncate@/spool/#%=EIO", "truncate@/spool/#%=kill",
             "unlink@/spool/#%=kill", "unlink@/spool/#%=EIO", "mkdir@/spool#%=ENOSPC", "mkdir@/spool#%=kill"]
    # by far the most calls: begun first, so that the others run beside them
    if DICOM:
        yield from every("door", "malloc#%=ENOMEM", 6, 97)
    yield from every("spool", "malloc#%=ENOMEM", 3, 61)
    yield from every("start", "malloc#%=ENOMEM", 1, 199)
    for rule in steps:
        yield Row("spool", rule)
    for rule in LOST_STEPS:
        yield Row("lost", rule)
    for rule in steps + ["recv#%=ECONNRESET", "send#%=EPIPE"] if DICOM else []:
        if LONG or rule in ("fsync@/spool/#%=EIO", "fsync@/spool/#%=killafter", "rename@/spool/#%=EIO", "open@/spool/#%=EMFILE",
                            "alloc@/spool/#%=ENOSPC"):
            yield Row("door", rule)


def every(operation, rule, parts, step):
    """All n, by so many rows at once; in a short run some n, step apart."""
    for first in range(1, parts + 1) if LONG else []:
        yield Row(operation, rule, parts, first, parts)
    if not LONG:
        yield Row(operation, rule, step)


def table(done):
    cells, steps = collections.defaultdict(lambda: [0, 0]), []
    for row in done:
        m = re.match(r"(\w+)(?:@(\S+?))?#%=(\S+)", row.rule)
        step = f"{m[1]} {m[3]}" + (f" in {m[2].strip('/')}" if m[2] else "") + ("" if row.step == row.parts else " (some)")
        steps += [step] if step not in steps else []
        cells[step, row.operation][0] += row.faults
        cells[step, row.operation][1] += len(row.complaints)
    print(f"\n{'what fails, at the n-th call':36}" + "".join(f" {o:>20}" for o in OPERATIONS))
    for step in sorted(steps):
        print(f"{step:36}" + "".join(f" {cell(*cells[step, o]):>20}" for o in OPERATIONS))


def cell(faults, bad):
    return "-" if not faults else f"{faults} n, {bad} BAD" if bad else f"{faults} n, all true"


def main():
    wanted = [row for row in rows() if row.rule.startswith(ONLY) or f"{row.operation} {row.rule}".startswith(ONLY)]
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(6 if LONG else 3) as pool:
        done = []
        for future in concurrent.futures.as_completed([pool.submit(row.run, n) for n, row in enumerate(wanted)]):
            row = future.result()
            done.append(row)
            for complaint in row.complaints:
                print(complaint)
            ends = ", ".join(f"{count} ended {end}" for end, count in sorted(row.ends.items()))
            print(f"{row.operation} {row.rule}: {row.faults} faults in {row.seconds:.0f} s; {ends}", flush=True)
    done.sort(key=wanted.index)
    table(done)
    bad = sum(len(row.complaints) for row in done)
    faults = sum(row.faults for row in done)
    print(f"{faults} faults in {time.monotonic() - began:.0f} s, {bad} rounds with a false answer, a crash or a loss")
    return 1 if bad or not all(row.faults for row in done if not ONLY) else 0


sys.exit(main())
