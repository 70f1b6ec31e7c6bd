#!/usr/bin/python3
"""clinics_own_systems.py - the HIS of a clinic, and the doctors: an order by HL7, a report, its correction, its withdrawal.

The HIS answers as the story says, or not at all; the gateway is killed twice. Everything that was sent to it is kept as
packets in $T/hl7.pcap for a judge that is not ours.
"""
import base64
import json
import os
import shlex
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import radpost_api as api

ENV = os.environ
STUDY = ENV["RADPOST_STUDY_UID"]
FAMILY, GIVEN = "王", "昞倈"  # in GBK the second bytes of the given name are those of \ and |
WAIT_S = 60


class Pcap:
    """TCP segments of messages, each of its own connection, as a capture file."""

    def __init__(self, path):
        self.file, self.port = open(path, "wb"), 40000
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))

    def add(self, payload):
        self.port, seq = self.port + 1, 1
        for at in range(0, len(payload), 1400):
            part = payload[at:at + 1400]
            tcp = struct.pack("!HHIIBBHHH", self.port, 2575, seq, 1, 0x50, 0x18, 65535, 0, 0) + part
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, b"\x7f\0\0\1", b"\x7f\0\0\1")
            frame = b"\0" * 12 + b"\x08\x00" + ip + tcp
            self.file.write(struct.pack("<IIII", 0, seq, len(frame), len(frame)) + frame)
            seq += len(part)
        self.file.flush()


class Message:
    def __init__(self, data):
        self.text = data.decode("gb18030")
        self.segments = [s.split("|") for s in self.text.split("\r") if s]

    def field(self, name, number, nth=0):
        fields = [s for s in self.segments if s[0] == name][nth]
        number -= name == "MSH"
        return fields[number] if len(fields) > number else ""

    def all(self, name):
        return [s for s in self.segments if s[0] == name]


def read_frame(connection):
    data = b""
    while not data.endswith(b"\x1c\r"):
        part = connection.recv(65536)
        if not part:
            return None
        data += part
    assert data[:1] == b"\x0b", data[:20]
    return data


class His(threading.Thread):
    """Takes messages; answers "AA", "AE", or hangs up without a word (None)."""

    def __init__(self, port, pcap):
        super().__init__(daemon=True)
        self.pcap, self.answer, self.messages, self.lock = pcap, None, [], threading.Lock()
        self.door = socket.create_server(("127.0.0.1", port))

    def run(self):
        while True:
            connection, _ = self.door.accept()
            with connection:
                try:
                    data = read_frame(connection)
                except OSError:
                    continue  # the gateway was killed inside a message
                if data is None:
                    continue
                message = Message(data[1:-2])
                with self.lock:
                    self.messages.append(message)
                    self.pcap.add(data)
                    answer = self.answer
                if answer:
                    control = message.field("MSH", 10)
                    ack = f"MSH|^~\\&|HIS|H|RADPOST|CLINIC|1||ACK^R01^ACK|A{len(self.messages)}|P|2.5.1\rMSA|{answer}|{control}\r"
                    try:
                        connection.sendall(b"\x0b" + ack.encode() + b"\x1c\r")
                    except OSError:
                        pass

    def count(self, control=None):
        with self.lock:
            return len([m for m in self.messages if control is None or m.field("MSH", 10) == control])

    def last(self):
        with self.lock:
            return self.messages[-1]


def kill_and_start():
    subprocess.run(["bash", "-c", ENV["RADPOST_KILL_AND_START"]], check=True)


def order(control, kind, pcap):
    """Our order to the gateway, in GB18030; what it answers."""
    text = (f"MSH|^~\\&|HIS|H|RADPOST|CLINIC|20261122083000||ORM^O01^ORM_O01|{control}|P|2.3.1||||||GB 18030-2000\r"
            f"PID|1||P100^^^HIS||{FAMILY}^{GIVEN}||19600101|M\r"
            f"ORC|{kind}|N4711\rOBR|1|N4711||CT01^胸部平扫^99HIS||||||||||||7^李^大夫||ACC4711|RP1|SPS1||||CT\r"
            f"ZDS|{STUDY}^RADPOST^Application^DICOM\r")
    with socket.create_connection(("127.0.0.1", int(ENV["RADPOST_HL7_PORT"])), timeout=WAIT_S) as line:
        line.sendall(b"\x0b" + text.encode("gb18030") + b"\x1c\r")
        answer = read_frame(line)
    pcap.add(answer)
    return Message(answer[1:-2])


def deliveries(desk):
    return desk.must("GET", "/desk/v1/state").get("deliveries", [])


def delivery(desk, target, version, withdrawn=False):
    return next((d for d in deliveries(desk) if (d["target"], d["version"], d["is_withdrawal"]) == (target, version, withdrawn)), None)


def is_in(desk, state, target, version, withdrawn=False):
    found = delivery(desk, target, version, withdrawn)
    return found if found and found["state"] == state else None


def sign(doctor, reviewer, read, words):
    path = f"/api/v1/reads/{read}"
    doctor.call("POST", path + "/claim")
    base = doctor.must("GET", path + "/report")["base"]
    base = doctor.must("PUT", path + "/draft", {"base": base, "exam": "CT 胸部平扫", "findings": words, "impression": "结节"})["base"]
    shown = {"instances": api.instances(doctor, STUDY)}
    doctor.must("POST", path + "/shown", shown)
    doctor.must("POST", path + "/write", {"base": base})
    reviewer.call("POST", path + "/claim")
    reviewer.must("POST", path + "/shown", shown)
    base = reviewer.must("GET", path + "/report")["base"]
    reviewer.must("POST", path + "/review", {"base": base, "accept": True})
    base = reviewer.must("GET", path + "/report")["base"]
    reviewer.must("POST", path + "/sign", {"base": base})


def say(words):
    print(f"  - {words}", flush=True)


def orders_come_in(desk, pcap):
    say("the HIS orders, twice by the same message: one order, AA each time")
    for _ in range(2):
        answer = order("1", "NW", pcap)
        assert answer.field("MSA", 1) == "AA" and answer.field("MSA", 2) == "1", answer.text
    kill_and_start()
    desk = api.desk()
    mine = [o for o in desk.must("GET", "/desk/v1/orders")["orders"] if o["source"] == "hl7"]
    assert len(mine) == 1 and mine[0]["name"] == FAMILY + GIVEN and mine[0]["study"] == STUDY, mine
    answer = order("2", "ZZ", pcap)
    assert answer.field("MSA", 1) == "AE", answer.text
    return desk


def first_version(desk, his, doctor, reviewer):
    say("images come, the report is signed; the HIS is silent, the PACS is away")
    subprocess.run(shlex.split(ENV["RADPOST_SEND"]), check=True)
    read = api.until(WAIT_S, lambda: (api.read_of(doctor, STUDY) or {}).get("read"), "a read of the study")
    api.until(WAIT_S, lambda: any(r["study"] == STUDY for r in desk.must("GET", "/desk/v1/registrations")["registrations"]),
              "the study at its registration")
    api.until(WAIT_S, lambda: len(api.instances(doctor, STUDY)) == 2, "both images")
    sign(doctor, reviewer, read, "左肺结节 | ^ ~ & \\ 3mm")
    api.until(WAIT_S, lambda: is_in(desk, "delivered", "folder", 1), "the report in the folder")
    api.until(WAIT_S, lambda: his.count() >= 2, "the HIS told twice")
    waiting = is_in(desk, "waiting", "hl7", 1)
    assert waiting and waiting["trouble"] and waiting["tries"] >= 1, deliveries(desk)
    assert is_in(desk, "waiting", "dicom", 1)
    return read


def check_first(message, read):
    assert message.field("PID", 5).split("^")[:2] == [FAMILY, GIVEN], message.field("PID", 5)
    assert message.field("PID", 3) == "P100"
    assert message.field("OBR", 2) == "N4711" and message.field("OBR", 3) == f"R{read}" and message.field("OBR", 18) == "ACC4711"
    assert message.field("OBR", 25) == "F"
    findings = next(o[5] for o in message.all("OBX") if o[3].startswith("59776-5"))
    assert findings == "左肺结节 \\F\\ \\S\\ \\R\\ \\T\\ \\E\\ 3mm", findings
    pdf = base64.b64decode(next(o[5] for o in message.all("OBX") if o[2] == "ED").split("^")[4])
    path = os.path.join(ENV["T"], "told.pdf")
    with open(path, "wb") as f:
        f.write(pdf)
    words = subprocess.run(["pdftotext", path, "-"], check=True, capture_output=True).stdout.decode()
    assert "结节" in words, "the PDF in the message lacks the impression"
    with open(os.path.join(ENV["RADPOST_HIS_FOLDER"], f"report-{read}-v1.json"), encoding="utf-8") as f:
        told = json.load(f)
    assert told["patient"]["name"] == FAMILY + GIVEN and told["placer"] == "N4711" and told["status"] == "F", told
    with open(os.path.join(ENV["RADPOST_HIS_FOLDER"], told["pdf"]), "rb") as f:
        assert f.read(5) == b"%PDF-"


def main():
    pcap = Pcap(os.path.join(ENV["T"], "hl7.pcap"))
    his = His(int(ENV["RADPOST_HIS_PORT"]), pcap)
    his.start()
    doctor, reviewer = api.staff("DOCTOR"), api.staff("REVIEWER")
    desk = orders_come_in(api.desk(), pcap)
    read = first_version(desk, his, doctor, reviewer)

    say("the gateway is killed while both wait; then the HIS answers and the PACS is back")
    control = his.last().field("MSH", 10)
    kill_and_start()
    desk = api.desk()
    his.answer = "AA"
    pacs = subprocess.Popen(shlex.split(ENV["RADPOST_PACS"]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    told = api.until(WAIT_S, lambda: is_in(desk, "delivered", "hl7", 1), "the report at the HIS")
    assert told["receipt"].startswith("AA A"), told
    assert his.last().field("MSH", 10) == control, "told again as another message"
    check_first(his.last(), read)
    stored = api.until(WAIT_S, lambda: is_in(desk, "delivered", "dicom", 1), "the report at the PACS")
    assert stored["receipt"] == "SR 0000H, PDF 0000H", stored

    say("a correction that the HIS refuses is shown, and goes when a person has it sent again")
    his.answer = "AE"
    path = f"/api/v1/reads/{read}"
    base = doctor.must("GET", path + "/report")["base"]
    doctor.must("POST", path + "/amend", {"base": base, "reason": "左右写反"})
    sign(doctor, reviewer, read, "右肺结节")
    refused = api.until(WAIT_S, lambda: is_in(desk, "refused", "hl7", 2), "the refusal at the desk")
    assert refused["trouble"].startswith("the HIS answered AE"), refused
    kill_and_start()
    desk = api.desk()
    his.answer = "AA"
    desk.must("POST", f"/desk/v1/deliveries/{refused['delivery']}/again")
    again = api.until(WAIT_S, lambda: is_in(desk, "delivered", "hl7", 2), "the correction at the HIS")
    assert again["again_by"] == ENV["RADPOST_DESK_USER"], again
    message = his.last()
    assert message.field("OBR", 25) == "C" and message.field("NTE", 3) == "左右写反", message.text[:900]
    api.until(WAIT_S, lambda: is_in(desk, "delivered", "dicom", 2), "the correction at the PACS")

    say("a withdrawal is told to all three")
    base = reviewer.must("GET", path + "/report")["base"]
    reviewer.must("POST", path + "/withdraw", {"base": base, "reason": "写错病人"})
    for target in ("hl7", "dicom", "folder"):
        api.until(WAIT_S, lambda t=target: is_in(desk, "delivered", t, 2, True), f"the withdrawal at {target}")
    message = his.last()
    assert message.field("OBR", 25) == "C" and all(o[11] == "W" for o in message.all("OBX")), message.text
    assert "写错病人" in message.field("OBX", 5), message.text
    pacs.terminate()
    states = [d["state"] for d in deliveries(desk)]
    assert len(states) == 9 and set(states) == {"delivered"}, states
    print(f"  {his.count()} messages at the HIS for 3 deliveries, 3 kills, 9 receipts at the desk")


if __name__ == "__main__":
    main()
