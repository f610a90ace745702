#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keys and contents in the memory of an agent that is at work, and in what it leaves behind; keys in the memory of a
program that uses the library.

Arguments: the program; then programs that know a vault's keys (memory_keys.c), search memory (memory_search.c), and use
the library (memory_user.c).

No other user may look into an agent, its own user included: only root can, and where the tests are not run by root,
that they are refused is what they show. What root finds depends on where secret memory lies (base/secret.h):

- in memory of memfd_secret(), which not even root can read: no key is found at all;
- where the kernel has none of that, in pages that are locked and left out of cores: there, and nowhere else, keys lie
  that are in use: store keys, master keys, those of entities. The root key is shielded and found in no page; keys of
  single records are gone 100 ms after the last answer.

Both are looked at, whatever the kernel has.
"""
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "integration"))
import harness  # noqa: E402
from harness import DENIED, FAILURE, NOT_FOUND, USAGE, BUSY, CONFLICT, OneOf  # noqa: E402
from strangers import Caller  # noqa: E402
from test_cli_agent import gone, wait_until  # noqa: E402

KEYS, SEARCH, USER = (Path(name).resolve() for name in sys.argv[2:5])
NOBODY = 65534
CONTENT = b"CONTENT-MARKER-1bc60f7e"
PASSPHRASE = b"Zanzibar-84-heliotrope-MARKER"
ROOT = os.geteuid() == 0


def plain(box, *args, **options):
    """Through the agent."""
    return box.run("--vault", box.vault, *args, start_new_session=True, **options)


def status(box):
    return harness.json.loads(plain(box, "status", "--json").stdout)


def under(without_memfd_secret):
    return [SEARCH, "without-memfd-secret"] if without_memfd_secret else []


def start(box, without_memfd_secret):
    """@return the agent's process"""
    done = subprocess.run([*under(without_memfd_secret), *box.command(*box.opening(), "unseal")], env=box.env,
                          cwd=box.dir, check=False, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done
    return status(box)["pid"]


def secrets_of(box, vault_, key_file):
    """All keys of the vault as lines, and what else nobody shall find."""
    lines = subprocess.run([KEYS, vault_, key_file], env=box.env, check=True, capture_output=True,
                           timeout=120).stdout.decode()
    key = key_file.read_text(encoding="ascii").split(":")[1].strip()
    return lines + f"keyfile {key}\npassphrase {PASSPHRASE.hex()}\ncontent {CONTENT.hex()}\n"


def kinds_of(lines):
    return {line.split()[0] for line in lines.splitlines()}


def found_in(lines):
    """@return {kind: {(mapping, flags)}} of what a search told, which must have looked at something"""
    found = {}
    seen = 0
    for line in lines.decode().splitlines():
        kind, where, *flags = line.split()
        if kind == "seen":
            seen = int(where)
        elif kind != "ready":
            found.setdefault(kind, set()).add((where, flags[0] if flags else ""))
    assert seen > 1 << 20, seen
    return found


def search(box, pid, secrets):
    return found_in(subprocess.run([SEARCH, "search", str(pid)], env=box.env, check=True, capture_output=True,
                                   input=secrets.encode(), timeout=120).stdout)


# Keys that are held for as long as the vault is open, and those of entities, for their while.
HELD = {"name", "store", "master", "protection", "ledger", "epoch", "entity"}


def judge(found, hidden, quiet):
    """hidden: secret memory cannot be read; quiet: no call is answered any more, for 100 ms"""
    held = {} if hidden else {kind: places for kind, places in found.items() if kind in HELD}
    for places in held.values():
        for where, flags in places:
            assert where == "anonymous" and {"lo", "dd"} <= set(flags.split(",")), held
    rest = {kind: places for kind, places in found.items() if kind not in held and (quiet or kind != "record")}
    assert not rest, rest


def batch(box, number):
    """Puts, gets and calls that fail; what the agent is used for."""
    tree = box.path(f"tree-{number}")
    tree.mkdir()
    for i in range(20):
        (tree / f"file-{i}").write_bytes(CONTENT * (1 + 40 * i))
    plain(box, "import", tree, "--entity", f"patient-{number}")
    record = plain(box, "put", "-", input=CONTENT).stdout.decode().strip()
    assert plain(box, "get", record).stdout == CONTENT
    plain(box, "put", "-", "--idempotency-key", "once", input=CONTENT)
    plain(box, "put", "-", "--idempotency-key", "once", input=CONTENT + b"else", code=CONFLICT)
    plain(box, "get", "7f3e1c1e-6b7b-4c6e-9a27-0c2b9f0f7f11", code=NOT_FOUND)
    plain(box, "entity", "erase", "nobody", code=NOT_FOUND)
    with open("/dev/full", "wb") as full:
        plain(box, "get", record, stdout=full, code=FAILURE)
    agent = Caller(str(next((box.dir / "sherd").glob("*.sock"))))
    for verb in range(5, 50):
        agent.call(verb, os.urandom(verb % 7) + CONTENT)
    agent.socket.close()


def vault(box):
    """A vault that a key file opens, and a passphrase."""
    box.env["XDG_RUNTIME_DIR"] = str(box.dir)
    box.init()
    box.path("pass").write_bytes(PASSPHRASE)
    os.chmod(box.path("pass"), 0o600)
    box.sherd("seals", "add", "--new-passphrase-file", "pass")
    box.put(CONTENT)


def watch_end(box, pid, secrets):
    """Seal, and search what is there in the last moment of the agent's process."""
    # with pylint: disable=consider-using-with
    watcher = subprocess.Popen([SEARCH, "search-at-exit", str(pid)], env=box.env, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    watcher.stdin.write(secrets.encode())
    watcher.stdin.close()
    assert watcher.stdout.readline() == b"ready\n"
    plain(box, "seal")
    told = watcher.stdout.read()
    assert watcher.wait(60) == 0
    wait_until(lambda: gone(pid))
    return found_in(told)


def at_work(box, without_memfd_secret):
    vault(box)
    pid = start(box, without_memfd_secret)
    info = harness.json.loads(plain(box, "info", "--json").stdout)
    hidden = info["memory_secret"]
    assert info["memory_locked"] and not (hidden and without_memfd_secret), info
    assert plain(box, "unseal", "--passphrase-file", "pass").stdout == b"unsealed\n"
    if not ROOT:
        for name in ["mem", "environ"]:
            try:
                Path(f"/proc/{pid}/{name}").read_bytes()
            except PermissionError:
                continue
            raise AssertionError(name)
        plain(box, "seal")
        return
    for number in range(2):
        batch(box, number)
        secrets = secrets_of(box, box.vault, box.key)
        judge(search(box, pid, secrets), hidden, False)
        time.sleep(0.1)
        judge(search(box, pid, secrets), hidden, True)
    assert kinds_of(secrets) == {"root", "record", "keyfile", "passphrase", "content", *HELD}
    if not hidden:  # a search that finds nothing would show nothing
        assert {"store", "master"} <= set(search(box, pid, secrets))
    load = box.start("--quiet", "--vault", box.vault, "import", box.path("tree-1"), stdout=subprocess.DEVNULL)
    judge(search(box, pid, secrets), hidden, False)
    assert load.wait(60) == 0
    for name in ["environ", "cmdline", "status", "maps"]:
        text = Path(f"/proc/{pid}/{name}").read_bytes()
        for line in secrets.splitlines():
            secret = line.split()[1]
            assert bytes.fromhex(secret)[:16] not in text and secret[:32].encode() not in text, name
    limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    assert limits.split("Max core file size")[1].split()[:2] == ["0", "0"], limits
    assert not watch_end(box, pid, secrets)
    nowhere_in_files(box, secrets)


def nowhere_in_files(box, secrets):
    """Neither the vault nor what lies beside it: there is no log, no core and no file that was forgotten."""
    needles = [bytes.fromhex(line.split()[1])[:16] for line in secrets.splitlines()]
    mine = {"pass", "my.key", "tree-0", "tree-1"}
    paths = [path for path in box.dir.rglob("*") if path.is_file() and path.relative_to(box.dir).parts[0] not in mine]
    assert len(paths) > 10
    for path in paths:
        data = path.read_bytes()
        assert not any(needle in data or needle.hex().encode() in data for needle in needles), path


def end_all(box):
    plain(box, "seal", code=OneOf(*range(9)))


def test_tamper_agent__the_search_finds_what_is_there(box):
    """A process that holds the secrets: each half of each, as it is and in digits; and in its last moment, too."""
    secret = os.urandom(32)
    other = os.urandom(32)
    lines = f"whole {secret.hex()}\nabsent {other.hex()}\n"
    forms = {"whole": secret, "first": secret[:16] + bytes(16), "last": bytes(16) + secret[16:],
             "digits": secret[:16].hex().encode()}
    for form in forms.values():
        code = "import os, sys; data = bytearray.fromhex(sys.stdin.readline()); print('there', flush=True); " \
               "sys.stdin.readline(); os._exit(0)"
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            holder.stdin.write(form.hex().encode() + b"\n")
            holder.stdin.flush()
            assert holder.stdout.readline() == b"there\n"
            assert set(search(box, holder.pid, lines)) == {"whole"}
            if ROOT:
                with subprocess.Popen([SEARCH, "search-at-exit", str(holder.pid)], env=box.env, stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE) as watcher:
                    watcher.stdin.write(lines.encode())
                    watcher.stdin.close()
                    assert watcher.stdout.readline() == b"ready\n"
                    holder.stdin.write(b"\n")
                    holder.stdin.close()
                    assert set(found_in(watcher.stdout.read())) == {"whole"}


def test_tamper_agent__holds_keys_in_secret_memory_alone(box):
    try:
        at_work(box, False)
    finally:
        end_all(box)


def test_tamper_agent__holds_keys_in_locked_pages_where_there_is_no_other(box):
    try:
        at_work(box, True)
    finally:
        end_all(box)


def test_tamper_agent__nor_does_a_user_of_the_library_hold_them_elsewhere(box):
    """With its vault open, after puts, gets and updates. It lets its parent look."""
    for without in [False, True]:
        box.path("keyfile.key").unlink(missing_ok=True)
        vault_ = box.path(f"vault-{without}")
        with subprocess.Popen([*under(without), USER, "keyfile", vault_], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              cwd=box.dir, env=box.env) as user:
            user.stdin.write(PASSPHRASE + b"\n" + CONTENT + b"\nsomebody\n")
            user.stdin.flush()
            assert user.stdout.readline() == b"ready\n"
            secrets = secrets_of(box, vault_, box.path("keyfile.key"))
            found = search(box, user.pid, secrets)
            user.stdin.write(b"end\n")
            user.stdin.close()
            assert user.wait(60) == 0
        assert kinds_of(secrets) > {"root", "record", *HELD}
        judge(found, not found, True)
        assert not without or "store" in found


def test_tamper_agent__is_closed_to_its_own_user(box):
    """Not dumpable: another process of the user whose agent it is cannot look into it."""
    if not ROOT:
        return  # what is above shows it
    box.program = shutil.copy(box.program, box.path("program"))
    os.chown(box.dir, NOBODY, NOBODY)
    become = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    box.env["XDG_RUNTIME_DIR"] = str(box.dir)
    box.env.pop("HOME", None)
    box.run("keygen", box.key, **become)
    box.sherd("init", **become)
    box.sherd("unseal", **become)
    try:
        pid = harness.json.loads(plain(box, "status", "--json", **become).stdout)["pid"]
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0  # nobody's, since it is not dumpable
        for name in ["mem", "environ", "maps"]:
            done = subprocess.run(["cat", f"/proc/{pid}/{name}"], capture_output=True, check=False, **become)
            assert done.returncode != 0 and done.stdout == b"", (name, done)
    finally:
        plain(box, "seal", code=OneOf(*range(9)), **become)


if __name__ == "__main__":
    sys.argv[2:] = sys.argv[5:]
    harness.main(globals())
