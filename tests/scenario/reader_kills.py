#!/usr/bin/python3
"""reader_kills.py STUDIES - write, review and sign every study while the reader is killed ten times."""
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import radpost_api as api

KILLS = 10


class Killer(threading.Thread):
    """Ten SIGKILLs, each followed by a start, at moments drawn from a seed that is printed."""

    def __init__(self, seed):
        super().__init__(daemon=True)
        self.dice, self.kills = random.Random(seed), 0
        self.gone = threading.Event()

    def run(self):
        while self.kills < KILLS:
            time.sleep(self.dice.uniform(0.2, 2.0))  # the moment of the fault, not a wait for something
            subprocess.run(["bash", "-c", os.environ["RADPOST_KILL_AND_START"]], check=True)
            self.kills += 1
        self.gone.set()


class Study:
    """One study's way through the routes; what was acknowledged is remembered and held against the service."""

    def __init__(self, uid):
        self.uid, self.read, self.draft, self.signed, self.sign_answers = uid, None, 0, False, 0

    def step(self, doctor, reviewer):
        """One thing that is due by the service's own account; trouble of the line just means: again."""
        if self.read is None:
            status, answer = doctor.call("GET", "/api/v1/worklist")
            item = next((i for i in answer["items"] if i["study"] == self.uid), None) if status == 200 else None
            self.read = item["read"] if item else None
            return
        path = f"/api/v1/reads/{self.read}"
        status, report = doctor.call("GET", path + "/report")
        if status != 200:
            return
        self.check(report)
        state, base = report["state"], report["base"]
        if state in ("none", "draft"):
            self.write(doctor, path, base)
        elif state == "written":
            self.by_reviewer(reviewer, path, "review", {"base": base, "accept": True})
        elif state == "reviewed":
            if self.by_reviewer(reviewer, path, "sign", {"base": base}) == 200:
                self.signed = True
                self.sign_answers += 1
        elif state == "signed":
            self.signed = True

    def write(self, doctor, path, base):
        doctor.call("POST", path + "/claim")
        for _ in range(3):
            number = self.draft + 1
            text = {"base": base, "exam": "CT", "findings": f"第{number}次保存", "impression": "未见异常"}
            status, answer = doctor.call("PUT", path + "/draft", text)
            if status != 200:
                return
            self.draft, base = number, answer["base"]
        self.shown(doctor, path)
        doctor.call("POST", path + "/write", {"base": base})

    def by_reviewer(self, reviewer, path, verb, value):
        reviewer.call("POST", path + "/claim")
        self.shown(reviewer, path)
        return reviewer.call("POST", f"{path}/{verb}", value)[0]

    def shown(self, session, path):
        status, rows = session.call("GET", f"/dicomweb/studies/{self.uid}/metadata", accept="application/dicom+json")
        if status == 200:
            session.call("POST", path + "/shown", {"instances": [r["00080018"]["Value"][0] for r in rows]})

    def check(self, report):
        if self.draft and report["state"] != "none":
            number = int("".join(c for c in (report["findings"] or "") if c.isdigit()) or 0)
            assert number >= self.draft, f"draft {self.draft} was acknowledged, {number} is there"
        assert not self.draft or report["state"] != "none", "an acknowledged draft is gone"
        assert not self.signed or report["state"] == "signed", f"a signed report is {report['state']}"


def kinds(doctor, uid):
    rows = doctor.must("GET", f"/dicomweb/studies/{uid}/metadata", accept="application/dicom+json")
    return sorted(r["00080060"]["Value"][0] for r in rows if r["00080060"]["Value"][0] in ("SR", "DOC"))


def main():
    with open(sys.argv[1], encoding="ascii") as f:
        studies = [Study(line.split()[0]) for line in f if line.strip()]
    seed = int(os.environ.get("RADPOST_SEED", random.randrange(1 << 30)))
    print(f"  seed {seed}")
    doctor, reviewer = api.staff("DOCTOR"), api.staff("REVIEWER")
    killer = Killer(seed)
    killer.start()
    end = time.monotonic() + 240
    while not all(s.signed for s in studies) or not killer.gone.is_set():
        assert time.monotonic() < end, f"not done: {[(s.uid, s.read, s.draft, s.signed) for s in studies]}"
        for study in studies:
            if not study.signed:
                study.step(doctor, reviewer)
    items = doctor.must("GET", "/api/v1/worklist")["items"]
    for study in studies:
        mine = [i for i in items if i["study"] == study.uid]
        assert len(mine) == 1, f"{len(mine)} reads of one study"
        report = doctor.must("GET", f"/api/v1/reads/{study.read}/report")
        study.check(report)
        signed = [v for v in report["versions"] if v["signed_at"]]
        assert len(signed) == 1, f"{len(signed)} signed versions of one report"
        api.until(30, lambda uid=study.uid: kinds(doctor, uid) == ["DOC", "SR"], "one SR and one PDF in the archive")
    desk = api.desk()
    for study in studies:
        api.until(30, lambda r=study.read: len([x for x in desk.must("GET", "/desk/v1/reports")["reports"] if x["read"] == r]) == 1,
                  "the report at the desk, once")
    print(f"  {len(studies)} studies signed once, {killer.kills} kills, {sum(s.draft for s in studies)} drafts acknowledged and kept")


if __name__ == "__main__":
    main()
