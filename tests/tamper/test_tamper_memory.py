#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Secrets in the memory of a process that uses the library, in cores, and in /proc of the program.

Arguments: the program, a program that uses the library (memory_user.c).

The memory of a living process is read through /proc/PID/mem, all of it that can be read: more than any core holds. The
library's user lets its parent do so; the program lets nobody but root.
"""
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "integration"))
import harness  # noqa: E402

PROGRAM, USER = sys.argv[1], Path(sys.argv[2]).resolve()
PASSPHRASE = b"Zanzibar-84-heliotrope-MARKER"
MARKER = b"CONTENT-MARKER-fd11e6c2"
ENTITY = b"ENTITY-MARKER-77ac01"


def forms(secret):
    """A secret, and as text in hexadecimal; a secret may also be left in part."""
    return [secret, secret.hex().encode(), secret[:16], secret[-16:]]


def mappings(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as file:
        for line in file:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) (r)", line)
            if match and "[vvar]" not in line and "[vsyscall]" not in line:
                yield int(match[1], 16), int(match[2], 16), line.split()[-1]


def search(pid, secrets, data_seen):
    """Where each secret stands in the memory of a process. @return {secret name: [mapping]}"""
    found = {}
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, name in mappings(pid):
            if end - start > 1 << 30:  # reserved by the engine or a sanitizer; what lies there is in the files
                continue
            for at in range(start, end, 1 << 20):
                length = min((1 << 20) + 64, end - at)
                try:
                    memory.seek(at)
                    block = memory.read(length)
                except (OSError, ValueError):
                    continue
                data_seen[0] += len(block)
                for label, secret in secrets.items():
                    if any(form in block for form in forms(secret)):
                        found.setdefault(label, []).append(f"{name}+{at - start:#x}")
    return found


def start_user(box, mode):
    """The library's user: makes a vault, works, wipes what is its own, says "ready", and waits for a line."""
    child = subprocess.Popen([USER, mode, box.path(mode + "-vault")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             cwd=box.dir, env=box.env)
    child.stdin.write(PASSPHRASE + b"\n" + MARKER + b"\n" + ENTITY + b"\n")
    child.stdin.flush()
    line = child.stdout.readline()
    assert line == b"ready\n", line
    return child


def finish(child, line=b"end\n"):
    child.stdin.write(line)
    child.stdin.close()
    child.stdout.close()
    return child.wait(60)


def test_tamper_memory__the_search_finds_what_is_there(box):
    child = start_user(box, "hold")
    seen = [0]
    found = search(child.pid, {"marker": MARKER, "passphrase": PASSPHRASE}, seen)
    assert finish(child) == 0
    assert set(found) == {"marker", "passphrase"} and seen[0] > 1 << 20, (found, seen)


def test_tamper_memory__holds_no_secret_after_the_calls_returned(box):
    """Vault open: passphrase, contents and entity that went in and out; the user wiped its own copies."""
    for mode in ["work", "errors", "stream"]:
        child = start_user(box, mode)
        seen = [0]
        found = search(child.pid, {"marker": MARKER, "passphrase": PASSPHRASE, "entity": ENTITY}, seen)
        assert finish(child) == 0
        assert seen[0] > 1 << 20
        assert not found, (mode, found)


def test_tamper_memory__holds_no_key_file(box):
    child = start_user(box, "keyfile")
    key = bytes.fromhex(box.path("keyfile.key").read_text(encoding="ascii").split(":")[1].strip())
    seen = [0]
    found = search(child.pid, {"key": key, "marker": MARKER}, seen)
    assert finish(child) == 0
    assert not found and seen[0] > 1 << 20, found


def memory_of_core(core):
    """What a core keeps of memory. Its notes also hold the registers, where a copy may have left its last 16 bytes."""
    data = core.read_bytes()
    assert data[:4] == b"\x7fELF"
    start, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for i in range(count):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", data, start + i * size)
        if kind == 1:
            yield data[offset:offset + length]


def core_of(box, mode):
    """Has the library's user abort while its vault is open. @return the parts of memory in its core"""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    assert hard == resource.RLIM_INFINITY, "cores are limited here: ulimit -Hc unlimited"
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    box.env["ASAN_OPTIONS"] = box.env.get("ASAN_OPTIONS", "") + ":disable_coredump=0"
    child = start_user(box, mode)
    assert finish(child, b"abort\n") == -signal.SIGABRT
    core, = box.dir.glob("core*")
    parts = list(memory_of_core(core))
    core.unlink()
    return parts


def memory_to_dump(box, mode):
    """What a core would hold, where the system takes cores away: private memory that is not marked to be left out."""
    child = start_user(box, mode)
    text = Path(f"/proc/{child.pid}/smaps").read_text(encoding="ascii", errors="replace")
    parts = []
    with open(f"/proc/{child.pid}/mem", "rb", buffering=0) as memory:
        for start, end, flags in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw.*?^VmFlags:(.*?)$", text, re.M | re.S):
            if "dd" not in flags.split() and int(end, 16) - int(start, 16) <= 1 << 30:
                memory.seek(int(start, 16))
                parts.append(memory.read(int(end, 16) - int(start, 16)))
    assert finish(child) == 0
    return parts


def test_tamper_memory__of_a_core_holds_no_secret(box):
    """A crash while the vault is open, with cores allowed: what is written of memory holds no secret."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii").strip()
    dump = memory_to_dump if pattern.startswith("|") or "/" in pattern else core_of
    assert any(MARKER in segment for segment in dump(box, "hold"))  # so one would be seen
    segments = dump(box, "work")
    assert sum(map(len, segments)) > 1 << 16
    for secret in [MARKER, PASSPHRASE, ENTITY]:
        assert not any(form in segment for form in forms(secret) for segment in segments), secret


# ---- The program ----------------------------------------------------------------------------------------------------


def sealed(box):
    box.path("pass").write_bytes(PASSPHRASE + b"\n")
    os.chmod(box.path("pass"), 0o600)
    box.run("--vault", box.vault, "init", "--passphrase-file", "pass")
    return ["--vault", box.vault, "--passphrase-file", "pass"]


def waiting_put(box):
    child = box.start(*sealed(box), "put", "-", "-e", ENTITY.decode(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdin.write(MARKER * 100)
    child.stdin.flush()
    for _ in range(200):  # until it has opened the vault and waits for more
        if any("secrets" in link for link in links(child.pid)):
            break
        time.sleep(0.05)
    time.sleep(0.2)
    return child


def links(pid):
    try:
        return [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return []


def test_tamper_memory__of_the_program_is_out_of_reach(box):
    """Not dumpable: another process of the same user can neither read its memory nor attach, and it leaves no core."""
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    child = waiting_put(box)
    assert os.stat(f"/proc/{child.pid}/mem").st_uid == 0
    if os.geteuid() == 0:
        reader = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat",
                                 f"/proc/{child.pid}/environ"], capture_output=True, check=False)
        assert reader.returncode != 0 and not reader.stdout, reader
    os.kill(child.pid, signal.SIGABRT)
    child.stdin.close()
    child.stdout.close()
    assert child.wait(60) in [-signal.SIGABRT, -signal.SIGABRT & 0xff, 128 + signal.SIGABRT, 1], child.returncode
    assert not list(box.dir.glob("core*"))


def test_tamper_memory__of_the_program_is_not_in_proc(box):
    child = waiting_put(box)
    checked = 0
    for name in ["cmdline", "environ", "comm", "stat", "status", "limits", "mountinfo", "maps", "smaps", "auxv"]:
        try:
            text = Path(f"/proc/{child.pid}/{name}").read_bytes()
        except OSError:
            continue
        checked += 1
        for secret in [PASSPHRASE, MARKER]:
            assert not any(form in text for form in forms(secret)), name
    child.communicate(timeout=60)
    assert child.returncode == 0 and checked >= 4


def test_tamper_memory__of_the_program_keeps_no_passphrase(box):
    """Not even for root; to all others its memory is closed."""
    child = waiting_put(box)
    seen = [0]
    found = {}
    try:
        found = search(child.pid, {"passphrase": PASSPHRASE}, seen)
        refused = False
    except PermissionError:
        refused = True
    child.communicate(timeout=60)
    assert child.returncode == 0
    assert not found, found
    if os.geteuid() == 0:
        assert not refused and seen[0] > 1 << 20
    else:
        assert refused and seen[0] == 0


if __name__ == "__main__":
    sys.argv[2:] = sys.argv[3:]
    harness.main(globals())
