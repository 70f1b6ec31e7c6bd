"""radpost_api.py - the staff, desk and patient routes of a running site, for scenario tests. Standard library only.

Addresses and accounts come from the environment (addresses.env). Calls return (status, value); Site.must() wants 2xx.
Line trouble (a service that was killed) is status 0, so that a test decides whether it may be.
"""
import http.client
import http.cookiejar
import json
import os
import re
import time
import urllib.error
import urllib.request

ENV = os.environ


class Session:
    """One browser: cookies and the CSRF value of its login."""

    def __init__(self, base, headers=None):
        self.base, self.headers, self.csrf = base.rstrip("/"), headers or {}, None
        self.jar = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=None))
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.jar))

    def call(self, method, path, value=None, raw=False, accept="application/json"):
        headers = dict(self.headers, Accept=accept)
        body = None
        if value is not None:
            headers["Content-Type"], body = "application/json", json.dumps(value).encode()
        elif method == "POST":
            headers["Content-Type"], body = "application/json", b"{}"
        if self.csrf:
            headers["X-Radpost-CSRF"] = self.csrf
        request = urllib.request.Request(self.base + path, data=body, method=method, headers=headers)
        try:
            with self.opener.open(request, timeout=60) as answer:
                status, data = answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            status, data = refusal.code, refusal.read()
        except (OSError, http.client.HTTPException):
            return 0, None
        if raw or not data:
            return status, data
        try:
            return status, json.loads(data)
        except ValueError:
            return status, data

    def must(self, method, path, value=None, raw=False, accept="application/json"):
        status, answer = self.call(method, path, value, raw, accept)
        if not 200 <= status < 300:
            raise AssertionError(f"{method} {path}: {status} {answer}")
        return answer


def staff(role):
    """A logged in session: "TECH", "DOCTOR", "REVIEWER", "ADMIN", "SUPERVISOR"."""
    session = Session(ENV["RADPOST_READER_URL"])
    answer = session.must("POST", "/api/v1/login", {"user": ENV[f"RADPOST_{role}_USER"], "password": ENV[f"RADPOST_{role}_PASSWORD"]})
    session.csrf = answer["csrf"]
    return session


def desk(role="DESK"):
    """A logged in session at the clinic's desk: "DESK" (technician), "DESK_ADMIN", "ENGINEER"."""
    session = Session(ENV["RADPOST_GATEWAY_DESK_URL"])
    answer = session.must("POST", "/desk/v1/login", {"login": ENV[f"RADPOST_{role}_USER"], "password": ENV[f"RADPOST_{role}_PASSWORD"]})
    session.csrf = answer["csrf"]
    return session


def until(seconds, claim, what):
    """The claim's first true value; polls, for the claim is about other processes."""
    end = time.monotonic() + seconds
    while True:
        value = claim()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


def outbox(after="", pattern="."):
    """Messages to phones, oldest first: (file name, {"to", "text"}) past a file name."""
    folder = ENV["RADPOST_OUTBOX_DIR"]
    found = []
    for name in sorted(os.listdir(folder)):
        if name > after and name.endswith(".txt"):
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                message = json.load(f)
            if re.search(pattern, message["text"]):
                found.append((name, message))
    return found


def last_message():
    names = sorted(n for n in os.listdir(ENV["RADPOST_OUTBOX_DIR"]) if n.endswith(".txt"))
    return names[-1] if names else ""


def code_in(message):
    return re.search(r"\b(\d{6})\b", message["text"]).group(1)


def instances(session, study):
    """SOP Instance UIDs of a study as the reading page learns them."""
    rows = session.must("GET", f"/dicomweb/studies/{study}/metadata", accept="application/dicom+json")
    return [row["00080018"]["Value"][0] for row in rows]


def read_of(session, study):
    items = session.must("GET", "/api/v1/worklist")["items"]
    return next((item for item in items if item["study"] == study), None)
