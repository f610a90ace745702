#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Witnesses and checkpoints outside: vaults whose disks are put back to an earlier day, by a program of its own
(tests/tamper/disk_attacker.py), and witnesses that lie, written from C2SP tlog-witness with nothing of ours (tlog.py).
"""
import hashlib
import http.server
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

from harness import BUSY, CONFLICT, DENIED, FAILURE, NOT_FOUND, OK, ROOT, TAMPERED, USAGE, Box, OneOf, main
from tlog import Key, Log, b64, consistency, has_mldsa

ATTACKER = ROOT / "tests" / "tamper" / "disk_attacker.py"
ORIGIN = "sherd.example/log"
LOG = Key(ORIGIN, 1, b"\1" * 32)
OTHER = Key(ORIGIN, 1, b"\2" * 32)
WITNESS = Key("w.example", 4, b"\3" * 32)
LEAVES = [b"leaf %d" % i for i in range(300)]


# --- what the tests share ------------------------------------------------------------------------------------------

class Daemon:
    """A witness, and the process that serves it."""

    def __init__(self, box, name, *logs):
        self.box, self.name, self.dir = box, name, box.path(f"witness-{name}")
        self.vkey = box.run("witness", "init", self.dir, "--name", f"{name}.example").stdout.decode().strip()
        for log in logs:
            self.add(log)
        self.port = 0
        self.run()

    def add(self, vkey):
        self.box.run("witness", "add", self.dir, vkey)

    def run(self):
        self.process = self.box.start("witness", "run", self.dir, "--port", self.port, stdout=subprocess.PIPE)
        self.url = self.process.stdout.readline().decode().strip()
        self.port = int(self.url.rpartition(":")[2])

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        return code

    def sizes(self):
        lines = self.box.run("witness", "logs", self.dir).stdout.decode().splitlines()
        return {line.split(" ", 1)[1]: int(line.split(" ", 1)[0]) for line in lines}


def attack(what, source, target):
    subprocess.run([sys.executable, "-B", ATTACKER, what, source, target], check=True, timeout=240)


def key_of(box):
    return box.text("policy", "key")


def write_policy(box, witnesses, quorum):
    lines = [f"witness {w.name} {w.vkey} {w.url}" for w in witnesses]
    lines += [f"group g {quorum} " + " ".join(w.name for w in witnesses), "quorum g"]
    path = box.path("policy")
    path.write_text("\n".join(lines) + "\n")
    return path


def said(box, *args, code=OK):
    answer = json.loads(box.sherd("policy", "cosign", "--json", code=code).stdout)
    return {w["witness"]: w["said"] for w in answer["witnesses"]}, answer["quorum"]


def with_witnesses(box, count=3, quorum=2):
    box.init()
    daemons = [Daemon(box, f"w{i}", key_of(box)) for i in range(count)]
    box.sherd("policy", "set", write_policy(box, daemons, quorum))
    return daemons


def end(daemons):
    for daemon in daemons:
        if daemon.process.poll() is None:
            assert daemon.kill(signal.SIGTERM) == 0


def post(url, body, path="/add-checkpoint"):
    """Status, type and body of an answer, by a socket: nothing of a library's own ideas."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=60) as peer:
        peer.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                     % (path.encode(), len(body)) + body)
        return read_answer(peer)


def read_answer(peer):
    data = b""
    while True:
        try:
            more = peer.recv(65536)
        except ConnectionResetError:
            break
        if not more:
            break
        data += more
    if not data:
        return 0, "", b""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    kind = [line.partition(": ")[2] for line in lines if line.lower().startswith("content-type: ")]
    return int(lines[0].split(" ")[1]), kind[0] if kind else "", body


def a_request(old, size, leaves=LEAVES, key=LOG):
    log = Log(ORIGIN, leaves, [(key, 0)])
    return log.growth(old, size) + b"\n" + log.checkpoint(size)


# --- the daemon ----------------------------------------------------------------------------------------------------

def test_witness__answers_as_the_protocol_says(box):
    daemon = Daemon(box, "w", LOG.vkey)
    size_type = "text/x.tlog.size"
    assert post(daemon.url, a_request(0, 100))[0] == 200
    assert post(daemon.url, a_request(0, 120)) == (409, size_type, b"100\n")
    status, _, body = post(daemon.url, a_request(100, 257))
    assert status == 200 and body.startswith("\u2014 w.example ".encode()) and body.count(b"\n") == 1, body
    assert post(daemon.url, a_request(257, 257))[0] == 200
    forked = LEAVES[:200] + [b"another"] * 60
    assert post(daemon.url, a_request(257, 260, forked))[0] == 422
    assert post(daemon.url, a_request(257, 257, forked))[0] == 422
    above = b"old 300\n\n" + a_request(0, 257).partition(b"\n\n")[2]
    assert post(daemon.url, above)[0] == 400
    assert post(daemon.url, a_request(257, 300, key=OTHER))[0] == 403
    log = Log("other.example", LEAVES, [(Key("other.example", 1, b"\4" * 32), 0)])
    assert post(daemon.url, log.growth(0, 3) + b"\n" + log.checkpoint(3))[0] == 404
    assert post(daemon.url, b"old 0\n")[0] == 400
    assert post(daemon.url, b"")[0] == 400
    assert post(daemon.url, a_request(257, 300), "/elsewhere")[0] == 404
    assert daemon.sizes() == {LOG.vkey: 257}
    assert daemon.kill(signal.SIGTERM) == 0


def test_witness__kept_what_it_had_cosigned_when_it_was_killed(box):
    daemon = Daemon(box, "w", LOG.vkey)
    dice = random.Random(20260101)
    size, acknowledged = 0, 0
    for _ in range(12):
        done = threading.Event()
        threading.Thread(target=lambda: (time.sleep(0.1 + dice.random() * 0.3), daemon.kill(), done.set())).start()
        while not done.is_set() and size < 250:  # what is asked below was never reached
            try:
                status, _, body = post(daemon.url, a_request(size, size + 1))
            except OSError:
                break
            if status == 200:
                size = acknowledged = size + 1
            elif status == 409:
                size = int(body)
                assert size >= acknowledged, (size, acknowledged)
            else:
                break
        done.wait()
        daemon.run()
        status, kind, body = post(daemon.url, a_request(299, 300))
        assert status == 409 and int(body) >= acknowledged, (status, body, acknowledged)
        size = int(body)
    assert acknowledged > 0
    end([daemon])


def test_witness__bounds(box):
    daemon = Daemon(box, "w", LOG.vkey)
    port = daemon.port

    def raw(data, timeout=60):
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as peer:
            peer.sendall(data)
            return read_answer(peer)[0]

    assert post(daemon.url, b"x" * (300 << 10))[0] in (413, 0)
    head = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n"
    assert raw(head + b"Content-Length: 99999999999999999999\r\n\r\n") in (400, 413, 0)
    assert raw(b"DELETE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == 405
    assert raw(head + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nold ") in (400, 0)
    assert raw(head + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") in (400, 0)
    assert raw(b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n") in (400, 414, 431, 0)
    for path in ("/", "/../key/checkpoint", "//checkpoint", "/" + "0" * 64 + "/checkpoint"):
        assert raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()) == 404, path
    # One who sends a byte now and then is hung up on; others are served meanwhile.
    slow = socket.create_connection(("127.0.0.1", port), timeout=60)
    slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\n")
    began = time.monotonic()
    try:
        while time.monotonic() - began < 60:
            slow.sendall(b"a")
            time.sleep(1)
    except OSError:
        pass
    assert 15 < time.monotonic() - began < 40, time.monotonic() - began
    assert post(daemon.url, a_request(0, 1))[0] == 200
    end([daemon])


def test_witness__its_own_mistakes(box):
    daemon = Daemon(box, "w", LOG.vkey)
    box.run("witness", "run", daemon.dir, code=BUSY)
    box.run("witness", "init", daemon.dir, "--name", "x", code=CONFLICT)
    box.run("witness", "add", daemon.dir, LOG.vkey, code=CONFLICT)
    box.run("witness", "add", daemon.dir, WITNESS.vkey, code=USAGE)
    box.run("witness", "run", box.path("none"), code=NOT_FOUND)
    other = box.path("other")
    box.run("witness", "init", other, code=USAGE)
    box.run("witness", "init", other, "--name", "a b", code=USAGE)
    box.run("witness", "init", other, "--name", "x")
    assert (other / "key").stat().st_mode & 0o777 == 0o600
    box.run("witness", "run", other, "--address", "0.0.0.0", code=USAGE)
    box.run("witness", "run", other, "--address", "elsewhere", code=USAGE)
    box.run("witness", "run", other, "--port", daemon.port, code=BUSY)
    box.run("witness", "run", other, "--policy", "x", code=USAGE)
    end([daemon])


# --- witnesses that lie --------------------------------------------------------------------------------------------

class Liar:
    """A server that answers as it is told."""

    def __init__(self, answer, cert=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                self.reply("POST", self.rfile.read(int(self.headers["Content-Length"])))

            def do_GET(self):
                self.reply("GET", b"")

            def reply(self, method, body):
                status, data, headers = answer(method, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *args: None  # who asked has hung up
        if cert is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'http' if cert is None else 'https'}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()


def asked(box, answer, code, size=40, url=None, cert=None, args=()):
    """What comes of asking one witness about a log of so many leaves."""
    folder = box.path(f"log-{random.randrange(1 << 40):x}")
    Log(ORIGIN, LEAVES[:size], [(LOG, 0)]).export(folder)
    with Liar(answer, cert) as liar:
        policy = f"log {LOG.vkey}\nwitness w {WITNESS.vkey} {url or liar.url}\nquorum w\n"
        done = box.run("witness", "ask", folder, "--policy", "-", "--timeout", "3000", *args, code=code,
                       input=policy.encode())
    lines = done.stdout.decode().split("\n")
    return lines[0].split(" ", 5)[2:]


def text_of(body):
    note = body.partition(b"\n\n")[2]
    return note.partition(b"\n\n")[0] + b"\n"


def good(method, body):
    return 200, WITNESS.line(text_of(body), int(time.time())), {}


def test_witness_ask__takes_what_is_good(box):
    assert asked(box, good, OK)[0] == "cosigned"


def test_witness_ask__an_old_cosignature_is_none(box):
    # Recorded at that time, and played to an anchor that was put back to it.
    now = int(time.time())
    for when in (now - 3600, now + 3600, 1, 1 << 62):
        word, *rest = asked(box, lambda m, b: (200, WITNESS.line(text_of(b), when), {}), BUSY)
        assert word == "lost" and "not of now" in rest[-1], rest


def test_witness_ask__what_does_not_verify_is_none(box):
    now = int(time.time())
    lies = [
        lambda m, b: (200, b"", {}),
        lambda m, b: (200, b"\n", {}),
        lambda m, b: (200, os.urandom(100), {}),
        lambda m, b: (200, b"x" * (1 << 20), {}),
        lambda m, b: (200, Key("w.example", 4, b"\5" * 32).line(text_of(b), now), {}),
        lambda m, b: (200, WITNESS.line(text_of(b) + b"x\n", now), {}),
        lambda m, b: (200, WITNESS.line(text_of(b), now)[:-1], {}),
        lambda m, b: (200, b"\xe2\x80\x94 w.example AAAA\n", {}),
        lambda m, b: (200, text_of(b) + b"\n" + WITNESS.line(text_of(b), now), {}),
    ]
    for i, lie in enumerate(lies):
        assert asked(box, lie, BUSY)[0] == "lost", i


def test_witness_ask__other_answers(box):
    for status in (301, 302, 307, 400, 403, 404, 422, 500):
        word, *_ = asked(box, lambda m, b: (status, b"", {"Location": "http://127.0.0.1:1/"}), BUSY)
        assert word == "refused", (status, word)
    for body in (b"", b"x\n", b"01\n", b"7", b"7\n\n", b"99999999999999999999\n"):
        assert asked(box, lambda m, b: (409, body, {}), BUSY)[0] == "refused", body
    assert asked(box, lambda m, b: (409, b"3\n", {}), BUSY)[0] == "lost"  # always the same
    began = time.monotonic()
    assert asked(box, lambda m, b: (time.sleep(20), 200, b"", {})[1:], BUSY)[0] == "lost"
    assert time.monotonic() - began < 15


def test_witness_ask__who_claims_to_have_seen_more_must_show_it(box):
    def claims(note):
        return lambda m, b: (409, b"90\n", {}) if m == "POST" else (200, note, {})

    larger = Log(ORIGIN, LEAVES[:90], [(LOG, 0), (WITNESS, 1700000000)]).checkpoint()
    word, size, when, _ = asked(box, claims(larger), TAMPERED)
    assert (word, size, when) == ("ahead", "90", "1700000000")
    for note in (b"", b"x", larger[:-5], Log(ORIGIN, LEAVES[:90], [(OTHER, 0)]).checkpoint(),
                 Log("other", LEAVES[:90], [(LOG, 0)]).checkpoint(),
                 Log(ORIGIN, LEAVES[:90], [(WITNESS, 1700000000)]).checkpoint()):
        assert asked(box, claims(note), BUSY)[0] == "refused", note
    # ... and who refuses since the log was forked.
    other = Log(ORIGIN, LEAVES[:20] + [b"another"] * 10, [(LOG, 0)]).checkpoint()
    assert asked(box, lambda m, b: (422, b"", {}) if m == "POST" else (200, other, {}), TAMPERED)[0] == "forked"
    same = Log(ORIGIN, LEAVES[:30], [(LOG, 0)]).checkpoint()
    assert asked(box, lambda m, b: (422, b"", {}) if m == "POST" else (200, same, {}), BUSY)[0] == "refused"


def test_witness_ask__is_told_a_smaller_size(box):
    def behind(method, body):
        if body.startswith(b"old 40\n"):
            return 409, b"7\n", {}
        hashes = "".join(b64(value) + "\n" for value in consistency(7, LEAVES[:40])).encode()
        assert body.startswith(b"old 7\n" + hashes + b"\n"), body
        return good(method, body)

    assert asked(box, behind, OK)[0] == "cosigned"


def test_witness_ask__https(box):
    cert = box.path("cert.pem")
    only_cert = box.path("cert.c")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", cert, "-out", only_cert,
                    "-subj", "/CN=w", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    cert.write_bytes(cert.read_bytes() + only_cert.read_bytes())
    assert asked(box, good, OK, cert=cert, args=["--ca-file", only_cert])[0] == "cosigned"
    word, *rest = asked(box, good, BUSY, cert=cert)  # nobody vouches for it
    assert word == "lost" and "certificate" in rest[-1].lower(), rest


def test_witness_ask__where_it_goes(box):
    for url in ("http://192.0.2.1:80", "http://example.com", "http://127.0.0.1.example.com", "http://[2001:db8::1]/"):
        word, *rest = asked(box, good, BUSY, url=url)
        assert word == "lost" and "use https" in rest[-1], (url, rest)
    for url in ("ftp://127.0.0.1/", "file:///etc/passwd", "nonsense", "http://"):
        assert asked(box, good, BUSY, url=url)[0] == "lost", url


# --- the anchor's side ---------------------------------------------------------------------------------------------

def test_witness_policy__two_vaults_three_witnesses(box):
    other = Box(box.program, box.path("second"))
    other.dir.mkdir()
    daemons = with_witnesses(box)
    other.init()
    for daemon in daemons:
        daemon.add(key_of(other))
    other.sherd("policy", "set", write_policy(other, daemons, 2))
    for vault in (box, other):
        vault.put(b"first")
        assert said(vault) == ({"w0": "cosigned", "w1": "cosigned", "w2": "cosigned"}, True)
    assert all(set(d.sizes().values()) == set(daemons[0].sizes().values()) and len(d.sizes()) == 2 for d in daemons)
    daemons[1].kill()
    for vault in (box, other):
        vault.put(b"second")
        assert said(vault) == ({"w0": "cosigned", "w1": "lost", "w2": "cosigned"}, True)
    daemons[2].kill()
    assert said(box, code=BUSY) == ({"w0": "cosigned", "w1": "lost", "w2": "lost"}, False)
    box.put(b"a put waits for no witness")
    for daemon in daemons[1:]:
        daemon.run()
    assert said(box) == ({"w0": "cosigned", "w1": "cosigned", "w2": "cosigned"}, True)
    shown = box.json("policy", "show")
    assert shown["cosigned_size"] == shown["size"] == daemons[1].sizes()[shown["key"]]
    # The log's own signatures, of which witnesses know one, stay below what they cosigned.
    note = (box.vault / "anchor" / "ledger" / "cosigned").read_bytes().splitlines()
    assert len([line for line in note if line.startswith(b"\xe2\x80\x94 " + note[0])]) == (2 if has_mldsa() else 1)
    for junk in (b"", b"junk", b"x" * 100000):  # what is kept of it is replaced by the next
        (box.vault / "anchor" / "ledger" / "cosigned").write_bytes(junk)
        assert box.json("policy", "show")["cosigned_size"] == 0
        assert said(box)[1]
        assert box.json("policy", "show")["cosigned_size"] == shown["size"]
    end(daemons)


def test_witness_policy__an_agent_asks_by_itself(box):
    daemons = with_witnesses(box)
    vault = ["--vault", box.vault]
    box.sherd("unseal")
    for _ in range(200):
        status = json.loads(box.run(*vault, "status", "--json").stdout)["outside"]
        if status["cosigned"]:
            break
        time.sleep(0.1)
    assert status["witnesses"] == 3 and status["cosigned_by"] == 3 and status["error"] is None, status
    box.run(*vault, "put", "-", input=b"through the agent")
    box.run(*vault, "policy", "cosign")
    assert b"policy" in box.run(*vault, "policy", "show").stdout
    box.run(*vault, "policy", "accept", code=CONFLICT)
    daemons[0].kill()
    daemons[1].kill()
    box.run(*vault, "policy", "cosign", code=BUSY)
    began = time.monotonic()
    box.run(*vault, "seal")
    assert time.monotonic() - began < 10
    end(daemons)


def test_witness_policy__what_is_no_policy(box):
    box.init()
    path = box.path("policy")
    for text in ("nonsense\n", "quorum w\n", f"log {LOG.vkey}\nquorum none\n", f"witness w {LOG.vkey}\nquorum w\n"):
        path.write_text(text)
        box.fails("policy", "set", path, code=USAGE)
    path.write_text(f"witness w {WITNESS.vkey}\nquorum w\n")
    box.fails("policy", "set", path, code=USAGE, says="no quorum")
    path.write_text("#" * 20000 + "\nquorum none\n")
    box.fails("policy", "set", path, code=OneOf(FAILURE, BUSY))
    box.fails("policy", "set", code=USAGE)
    box.fails("policy", "set", "--checkpoint-file", box.vault / "inside", code=USAGE)
    box.fails("policy", "set", "--checkpoint-file", box.path("no-folder") / "file", code=FAILURE)
    box.fails("policy", "show", "more", code=USAGE)
    box.fails("policy", "nonsense", code=USAGE)
    shown = box.json("policy", "show")
    assert shown["policy"] == "" and shown["files"] == [], shown
    path.write_text(f"log {key_of(box)}\nquorum none\n")
    box.sherd("policy", "set", path)
    assert box.json("policy", "show")["policy"] == path.read_text()
    box.sherd("policy", "clear")
    assert box.json("policy", "show")["policy"] == ""


def test_witness_policy__is_the_owners(box):
    box.init()
    word = box.path("word")
    word.write_text("a good passphrase")
    word.chmod(0o600)
    box.sherd("user", "create", "anna", "--new-passphrase-file", word, "--quiet")
    user = ["--user", "anna", "--user-passphrase-file", word]
    for args in (["show"], ["key"], ["cosign"], ["clear"], ["check", word]):
        box.fails(*user, "policy", *args, code=DENIED)


def test_witness_file__follows_each_round(box):
    box.init()
    outside = box.path("elsewhere")
    outside.mkdir()
    file = outside / "checkpoint"
    box.sherd("policy", "set", "--checkpoint-file", file)
    sizes = []
    for i in range(3):
        box.put(b"%d" % i)
        box.sherd("policy", "cosign")  # a round, and no witness
        sizes.append(int(file.read_text().split("\n")[1]))
    assert sizes == sorted(sizes) and sizes[2] == sizes[0] + 2, sizes
    assert [path.name for path in outside.iterdir()] == ["checkpoint"]
    assert box.json("policy", "show")["files"] == [{"file": str(file), "size": sizes[2]}]
    # It cannot be written: that is said, and no put fails.
    outside.chmod(0o500)
    box.put(b"more")
    outside.chmod(0o700)
    # Another ledger's file, and one that is none, are not written over.
    other = Log(ORIGIN, LEAVES[:9], [(LOG, 0)]).checkpoint()
    for content, code in ((other, CONFLICT), (b"my letters", TAMPERED)):
        mine = outside / "mine"
        mine.write_bytes(content)
        box.fails("policy", "set", "--checkpoint-file", mine, code=code)
        assert mine.read_bytes() == content
    assert box.json("policy", "show")["files"][0]["file"] == str(file)


# --- a TPM that counts ---------------------------------------------------------------------------------------------

class Tpm:
    """A TPM 2.0 of its own, in software."""

    INDEX = "0x1800100"

    def __init__(self, box, name="tpm"):
        self.dir = box.path(name)
        self.dir.mkdir()
        self.start()

    def start(self):
        for _ in range(20):
            with socket.socket() as one, socket.socket() as two:
                one.bind(("127.0.0.1", 0))
                self.port = one.getsockname()[1]
                try:
                    two.bind(("127.0.0.1", self.port + 1))
                except OSError:
                    continue
            self.process = subprocess.Popen(
                ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.dir}", "--flags", "not-need-init,startup-clear",
                 "--ctrl", f"type=tcp,bindaddr=127.0.0.1,port={self.port + 1}",
                 "--server", f"type=tcp,bindaddr=127.0.0.1,port={self.port}"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", self.port + 1)).close()
                    return
                except OSError:
                    time.sleep(0.05)
            self.stop()
        raise AssertionError("no TPM")

    def stop(self):
        self.process.kill()
        self.process.wait()

    @property
    def name(self):
        return f"{self.INDEX}@swtpm:host=127.0.0.1,port={self.port}"


def counter(box):
    return int(re.search(r"^TPM .*: (\d+)$", box.text("policy", "show"), re.M).group(1))


def test_witness_tpm__refuses_every_day_but_today(box):
    tpm = Tpm(box)
    try:
        box.init()
        box.sherd("policy", "set", "--tpm", tpm.name)
        days = []
        for i in range(4):
            attack("take", box.vault, box.path(f"day-{i}"))
            days.append((box.path(f"day-{i}"), counter(box)))
            grow(box, 1 + i)
        now = counter(box)
        attack("take", box.vault, box.path("today"))
        assert [value for _, value in days] == sorted({value for _, value in days}) and now > days[-1][1], (days, now)
        for day, value in days:
            attack("put", day, box.vault)
            plural = "" if now - value == 1 else "s"
            says = f"the anchor is {now - value} step{plural} behind the TPM's counter"
            for command in (["ls"], ["put", "-"], ["policy", "clear"]):
                box.fails(*command, code=TAMPERED, says=says)
        box.fails("unseal", code=TAMPERED, says="behind the TPM's counter")
        attack("put", box.path("today"), box.vault)
        assert len(box.text("ls").splitlines()) == 10
        grow(box, 1)
        assert counter(box) == now + 1
        # Through an agent: it counts when it ends, if there was something.
        attack("take", box.vault, box.path("before-agent"))
        box.sherd("unseal")
        box.run("--vault", box.vault, "put", "-", input=b"through the agent")
        box.run("--vault", box.vault, "policy", "cosign")
        box.run("--vault", box.vault, "put", "-", input=b"and more")
        box.run("--vault", box.vault, "policy", "cosign")
        box.run("--vault", box.vault, "seal")
        attack("put", box.path("before-agent"), box.vault)
        box.fails("ls", code=TAMPERED, says="behind the TPM's counter")
        box.sherd("policy", "accept")
        box.sherd("ls")
        box.sherd("policy", "set", "--tpm", tpm.name)  # the same counter, bound anew
        grow(box, 1)
        box.sherd("ls")
    finally:
        tpm.stop()


def test_witness_tpm__a_crash_and_another_tpm(box):
    tpm = Tpm(box)
    other = None
    try:
        box.init()
        box.sherd("policy", "set", "--tpm", tpm.name)
        # A crash between state and counter leaves the counter one behind, which is finished; two is another TPM.
        tpm_days = []
        for i in range(2):
            tpm.stop()
            attack("take", tpm.dir, box.path(f"tpm-{i}"))
            tpm_days.append(box.path(f"tpm-{i}"))
            port = tpm.port
            restart(tpm, port)
            grow(box, 1)
        tpm.stop()
        attack("put", tpm_days[1], tpm.dir)
        restart(tpm, port)
        box.sherd("ls")
        grow(box, 1)
        box.sherd("ls")
        tpm.stop()
        attack("put", tpm_days[0], tpm.dir)
        restart(tpm, port)
        box.fails("ls", code=CONFLICT, says="another TPM, or was cleared")
        tpm.stop()
        box.fails("ls", code=FAILURE, says="the TPM")
        other = Tpm(box, "other")
        other.stop()
        restart(other, port)
        box.fails("ls", code=NOT_FOUND, says="the TPM has no counter")
    finally:
        tpm.stop()
        if other is not None:
            other.stop()


def restart(tpm, port):
    """On the same port: the vault knows it by that."""
    tpm.port = port
    tpm.process = subprocess.Popen(
        ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={tpm.dir}", "--flags", "not-need-init,startup-clear",
         "--ctrl", f"type=tcp,bindaddr=127.0.0.1,port={port + 1}",
         "--server", f"type=tcp,bindaddr=127.0.0.1,port={port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port + 1)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("no TPM")


def test_witness_tpm__names_that_are_none(box):
    box.init()
    for name in ("1800100", "0x", "0x1", "0x81000001", "0x1800100@", "nonsense", "0x1800100 x"):
        box.fails("policy", "set", "--tpm", name, code=USAGE)
    box.fails("policy", "set", "--tpm", "0x1800100@swtpm:host=127.0.0.1,port=1", code=FAILURE, says="the TPM")
    box.sherd("ls")


# --- disks that are put back: T14, T15, T16, T35 -------------------------------------------------------------------

def grow(box, count):
    """So many changes, at least, in the ledger."""
    if count < 20:
        for i in range(count):
            box.put(b"%d" % i)
    else:
        tree = box.path(f"tree-{count}")
        tree.mkdir()
        for i in range(count):
            (tree / str(i)).write_bytes(b"%d" % i)
        box.sherd("import", tree)
    box.sherd("policy", "cosign")


def test_witness_rollback__a_file_outside_refuses_every_cut(box):
    box.init()
    file = box.path("checkpoint")
    box.sherd("policy", "set", "--checkpoint-file", file)
    grow(box, 3)
    days = []
    for count in (1000, 150, 7, 2, 1):
        day = box.path(f"day-{count}")
        attack("take", box.vault, day)
        days.append((day, int(file.read_text().split("\n")[1])))
        grow(box, count)
    now = int(file.read_text().split("\n")[1])
    today = box.path("today")
    attack("take", box.vault, today)
    for day, size in days:
        assert now > size
        attack("put", day, box.vault)
        plural = "" if now - size == 1 else "s"
        changes = f"the anchor is {now - size} change{plural} behind the checkpoint {file} of 20"
        if day == days[0][0]:
            box.fails("unseal", code=TAMPERED, says=changes)
        for command in (["ls"], ["put", "-"], ["verify"], ["policy", "show"], ["policy", "clear"]):
            box.fails(*command, code=TAMPERED, says=changes)
        assert int(file.read_text().split("\n")[1]) == now
    # The anchor's own directory alone, with the stores as they are, and the other way.
    for part in ("anchor", "keys"):
        attack("put", today, box.vault)
        attack("put", days[1][0] / part, box.vault / part)
        box.fails("verify", code=TAMPERED)
    attack("put", today, box.vault)
    assert len(box.text("ls").splitlines()) > 1000


def test_witness_rollback__and_a_history_that_went_on(box):
    box.init()
    file = box.path("checkpoint")
    box.sherd("policy", "set", "--checkpoint-file", file)
    attack("take", box.vault, box.path("day"))
    grow(box, 3)
    seen = file.read_bytes()
    attack("put", box.path("day"), box.vault)
    file.unlink()  # the attacker has the file too, for a while
    box.fails("ls", code=FAILURE, says="is not there")
    file.write_bytes((box.vault / "anchor" / "ledger" / "checkpoint").read_bytes())
    grow(box, 5)
    file.write_bytes(seen)
    box.fails("ls", code=TAMPERED, says="another history than the checkpoint")
    # ... and what somebody kept by himself.
    file.write_bytes((box.vault / "anchor" / "ledger" / "checkpoint").read_bytes())
    mine = box.path("mine")
    mine.write_bytes(seen)
    box.fails("policy", "check", mine, code=TAMPERED, says="another history")


def test_witness_rollback__a_checkpoint_that_somebody_brings(box):
    box.init()
    grow(box, 2)
    attack("take", box.vault, box.path("day"))
    grow(box, 3)
    mine = box.path("mine")
    mine.write_bytes((box.vault / "anchor" / "ledger" / "checkpoint").read_bytes())
    assert b"continues that checkpoint" in box.sherd("policy", "check", mine).stdout
    attack("put", box.path("day"), box.vault)
    box.fails("policy", "check", mine, code=TAMPERED, says="the anchor is 3 changes behind that checkpoint")
    mine.write_bytes(Log(ORIGIN, LEAVES[:9], [(LOG, 0)]).checkpoint())
    box.fails("policy", "check", mine, code=TAMPERED)


def test_witness_rollback__witnesses_refuse_at_unseal(box):
    daemons = with_witnesses(box)
    vault = ["--vault", box.vault]
    grow(box, 2)
    attack("take", box.vault, box.path("day"))
    grow(box, 4)
    attack("take", box.vault, box.path("today"))
    attack("put", box.path("day"), box.vault)
    box.fails("unseal", code=TAMPERED, says="the anchor is 4 changes behind what the witness w0 cosigned at 20")
    box.fails("unseal", "--without-witnesses", code=TAMPERED, says="4 changes behind")  # they do say so
    box.run(*vault, "ls", code=USAGE)  # sealed, and nothing to unseal with
    # One honest witness that can be reached is enough to refuse; none at all is too few to unseal.
    daemons[0].kill()
    daemons[1].kill()
    box.fails("unseal", code=TAMPERED, says="behind what the witness w2")
    daemons[2].kill()
    box.fails("unseal", code=BUSY, says="0 of 3 witnesses cosigned, which is no quorum")
    box.sherd("unseal", "--without-witnesses")
    box.run(*vault, "seal")
    # The day of today is in order.
    for daemon in daemons:
        daemon.run()
    attack("put", box.path("today"), box.vault)
    box.sherd("unseal")
    box.run(*vault, "seal")
    end(daemons)


def test_witness_fork__the_second_branch_is_refused(box):
    daemons = with_witnesses(box)
    grow(box, 2)
    attack("take", box.vault, box.path("fork"))
    box.put(b"the first client sees this")
    assert said(box)[1]
    first = box.vault / "anchor" / "ledger" / "cosigned"
    kept = box.path("first-checkpoint")
    kept.write_bytes(first.read_bytes())
    attack("take", box.vault, box.path("first"))
    attack("put", box.path("fork"), box.vault)
    for i in range(3):
        box.put(b"the second client sees that %d" % i)
    answer, quorum = said(box, code=TAMPERED)
    assert set(answer.values()) == {"forked"} and not quorum, answer
    # No cosignature of the second branch is anywhere; and the two clients tell by comparing.
    size = int(kept.read_text().split("\n")[1])
    assert all(set(daemon.sizes().values()) == {size} for daemon in daemons)
    box.fails("policy", "check", kept, code=TAMPERED, says="another history")
    attack("put", box.path("first"), box.vault)
    box.sherd("policy", "check", kept)
    assert said(box)[1]
    end(daemons)


def test_witness_accept__a_new_ledger_begins(box):
    daemons = with_witnesses(box, 1, 1)
    file = box.path("checkpoint")
    box.sherd("policy", "set", box.path("policy"), "--checkpoint-file", file)
    record = box.put(b"kept")
    grow(box, 1)
    attack("take", box.vault, box.path("day"))
    grow(box, 2)
    attack("put", box.path("day"), box.vault)
    box.fails("ls", code=TAMPERED)
    before = file.read_text().split("\n")[0]
    key = box.text("policy", "accept")
    assert not key.startswith(before + "+"), (key, before)
    assert box.get(record) == b"kept"
    assert (box.vault / "anchor" / "ledger.1" / "checkpoint").is_file()
    box.sherd("verify")
    # Nothing is outside of it yet, and what was is another ledger's.
    assert box.json("policy", "show")["files"] == []
    box.fails("policy", "set", "--checkpoint-file", file, code=CONFLICT, says="another ledger")
    file.unlink()
    box.sherd("policy", "set", box.path("policy"), "--checkpoint-file", file)
    assert said(box, code=BUSY)[0] == {"w0": "refused"}
    daemons[0].add(key)
    assert said(box)[0] == {"w0": "cosigned"}
    end(daemons)


def test_witness_accept__a_restored_vault_is_another_ledger(box):
    box.init()
    file = box.path("checkpoint")
    box.sherd("policy", "set", "--checkpoint-file", file)
    record = box.put(b"kept")
    grow(box, 1)
    box.sherd("backup", box.path("backup"))
    restored = box.path("restored")
    box.sherd("restore", box.path("backup"), restored)
    again = Box(box.program, box.dir)
    again.vault, again.key = restored, box.key
    assert again.get(record) == b"kept"
    again.fails("policy", "check", file, code=TAMPERED)
    again.fails("policy", "set", "--checkpoint-file", file, code=CONFLICT, says="if this vault was restored")
    again.sherd("policy", "set", "--checkpoint-file", box.path("checkpoint-2"))
    box.sherd("ls")  # the first goes on as it was


if __name__ == "__main__":
    main(globals())
