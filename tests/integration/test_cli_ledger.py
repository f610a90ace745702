#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Receipts, proofs, history and evidence through the real programs: what a vault gives out is checked by sherd-verify
(SHERD_VERIFY) in a directory that holds nothing else; and those who cut the newest of the ledger are convicted.
"""
import base64
import json
import os
import random
import shutil
import subprocess

from harness import CONFLICT, DENIED, NOT_FOUND, OK, SANITIZER, TAMPERED, UNSUPPORTED, USAGE, main
from tlog import has_mldsa, mldsa_vkey


class Outsider:
    """A directory without a vault: files that were handed out, the log's key, and sherd-verify."""

    def __init__(self, box):
        self.box = box
        self.dir = box.path("outside")
        self.dir.mkdir()
        self.key = box.text("prove", "key")

    def gets(self, name, data):
        (self.dir / name).write_bytes(data)
        return name

    def verify(self, command, *args, code=OK, says=""):
        done = subprocess.run([os.environ["SHERD_VERIFY"], command, *map(str, args), "--log-key", self.key],
                              cwd=self.dir, env={}, check=False, capture_output=True, timeout=60)
        told = (command, args, done.returncode, done.stdout, done.stderr)
        assert not SANITIZER.search(done.stderr), told
        assert done.returncode == code, told
        line = (done.stdout if code == OK else done.stderr).decode()
        assert says in line, (says, told)
        assert (not done.stderr) if code == OK else (not done.stdout and len(line.splitlines()) <= 2), told
        return line


def put(box, content, receipt, *args):
    """Store bytes with a receipt; their UUID and the receipt."""
    path = box.path(receipt)
    record = box.text("put", "-", "--receipt", path, *args, input=content)
    return record, path.read_bytes()


def keep(box, name):
    """A copy of the whole vault, as somebody who rolls it back has it."""
    shutil.copytree(box.vault, box.path(name), symlinks=True)


def roll_back(box, name):
    shutil.rmtree(box.vault)
    shutil.copytree(box.path(name), box.vault, symlinks=True)


def test_cli_ledger__a_receipt_is_checked_without_the_vault(box):
    box.init()
    outside = Outsider(box)
    record, receipt = put(box, b"one", "r1")
    other, second = put(box, b"another", "r2")
    outside.gets("r1", receipt)
    outside.gets("r2", second)
    shutil.rmtree(box.vault)
    outside.verify("receipt", "r1", says=f"ok: put of {record}, version 1, at 20")
    outside.verify("receipt", "r1", "--record", record)
    outside.verify("receipt", "r2", "--record", other)
    outside.verify("receipt", "r1", "--record", other, code=NOT_FOUND, says="another record")
    outside.verify("receipt", "r1", "--record", "nonsense", code=USAGE)
    outside.verify("proof", "r1", says=": put, at 20")
    outside.key = outside.key[:-4] + "AAA="
    outside.verify("receipt", "r1", code=USAGE)


def test_cli_ledger__all_keys_that_there_are_sign(box):
    """With ML-DSA-44 there are two keys, and who has both asks for both; who has one is not disturbed."""
    box.init()
    outside = Outsider(box)
    keys = outside.key.splitlines()
    assert len(keys) == (2 if has_mldsa() else 1), keys
    outside.gets("r1", put(box, b"one", "r1")[1])
    outside.verify("receipt", "r1", says="signed by Ed25519 and ML-DSA-44" if has_mldsa() else "leaves\n")
    note = box.sherd("prove", "checkpoint").stdout
    lines = note.splitlines(keepends=True)
    assert len(lines) == 4 + len(keys)
    for kept in range(len(keys)):  # a signature is missing
        outside.gets("cut", b"".join(lines[:4] + lines[4 + kept:5 + kept] * 2))
        outside.verify("checkpoint", "cut", code=OK if len(keys) == 1 else TAMPERED)
    outside.key = keys[0]
    outside.verify("receipt", "r1", says="leaves\n")
    outside.key = mldsa_vkey(keys[0].split("+")[0], bytes(1312))
    code = TAMPERED if has_mldsa() else UNSUPPORTED
    outside.verify("receipt", "r1", "--log-key", keys[0], code=code, says="ML-DSA-44")


def test_cli_ledger__a_changed_receipt_is_refused(box):
    box.init()
    outside = Outsider(box)
    record, receipt = put(box, b"one", "r1", "--entity", "alice")
    evidence = box.sherd("prove", "evidence", record).stdout
    proof = box.sherd("prove", "inclusion", 1).stdout
    dice = random.Random(20260101)
    for command, good in (("receipt", receipt), ("evidence", evidence), ("proof", proof)):
        outside.verify(command, outside.gets("good", good))
        for _ in range(120):
            bad = bytearray(good)
            bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
            # a receipt that does not begin as one is no longer taken for one: it needs another key
            code = USAGE if command == "receipt" and not bad.startswith(b"c2sp.org/tlog-proof@v1\n") else TAMPERED
            outside.verify(command, outside.gets("bad", bytes(bad)), code=code)


def test_cli_ledger__put_and_update_give_receipts(box):
    box.init()
    outside = Outsider(box)
    record, _ = put(box, b"one", "r1")
    box.fails("put", "-", "--receipt", box.path("r1"), code=CONFLICT, says="is there already", input=b"x")
    box.fails("put", "-", "--receipt", box.path("no/where"), code=1, input=b"x")
    assert len(box.text("ls").splitlines()) == 1
    box.sherd("update", record, "-", "--receipt", box.path("r2"), input=b"two")
    outside.verify("receipt", outside.gets("r2", box.path("r2").read_bytes()),
                   says=f"ok: update of {record}, version 2")
    # Also later, of any version, and of what is gone.
    box.sherd("prove", "record", record, "--version", 1, "-o", box.path("r3"))
    outside.verify("receipt", outside.gets("r3", box.path("r3").read_bytes()), says=f"ok: put of {record}, version 1")
    box.sherd("rm", record)
    outside.verify("receipt", outside.gets("r4", box.sherd("prove", "record", record).stdout),
                   says=f"ok: delete of {record}, version 2")
    box.fails("prove", "record", record, "--version", 7, code=NOT_FOUND)


def test_cli_ledger__who_cuts_the_newest_is_convicted(box):
    box.init()
    outside = Outsider(box)
    log = box.vault / "anchor" / "ledger"
    for count in (1, 2, 5, 30):
        keep(box, "kept")
        before = box.sherd("prove", "checkpoint").stdout
        receipts = [put(box, b"%d" % i, f"r{count}-{i}")[1] for i in range(count)]
        after = outside.gets("after", box.sherd("prove", "checkpoint").stdout)
        names = [outside.gets(f"r{i}", receipt) for i, receipt in enumerate(receipts)]
        outside.verify("receipt", names[-1], "--against", log, says="the log only grew since")
        box.while_closed(lambda: roll_back(box, "kept"))
        # The vault that was rolled back does not know, and verifies. Each receipt does.
        box.sherd("verify")
        outside.verify("log", log)
        for name in names:
            outside.verify("receipt", name, "--against", log, code=CONFLICT, says="cut: the log signed that it has ")
            outside.verify("receipt", name, "--against", outside.gets("before", before), code=CONFLICT, says="cut: ")
        box.fails("diff", outside.dir / after, code=CONFLICT, says="leaves behind the checkpoint")
        outside.verify("consistency", after, "before", "before", code=CONFLICT, says="cut: ")
        # It is filled up again with as much, and more: another tree of the same size.
        for i in range(count + 1):
            box.put(b"instead %d" % i)
        box.sherd("prove", "checkpoint", "-o", box.path(f"now{count}"))
        for name in names:
            outside.verify("receipt", name, "--against", log, code=CONFLICT, says="forked: the log signed two ")
        box.fails("diff", outside.dir / after, code=CONFLICT, says="forked")
        shutil.rmtree(box.path("kept"))


def test_cli_ledger__who_cuts_a_thousand_is_convicted_by_each(box):
    box.init()
    outside = Outsider(box)
    log = box.vault / "anchor" / "ledger"
    keep(box, "kept")
    folder = box.path("letters")
    folder.mkdir()
    for i in range(1000):
        (folder / f"{i:04}").write_bytes(b"%d" % i)
    box.sherd("import", folder)
    records = [event["subject"] for event in box.json("diff", 0)["events"] if event["event"] == "put"]
    assert len(records) == 1000, len(records)
    chosen = [records[i] for i in (0, 1, 254, 255, 256, 500, 998, 999)]
    for i, record in enumerate(chosen):
        outside.gets(f"r{i}", box.sherd("prove", "record", record, "--version", 1).stdout)
    roll_back(box, "kept")
    for i, record in enumerate(chosen):
        outside.verify("receipt", f"r{i}", "--record", record)
        outside.verify("receipt", f"r{i}", "--against", log, code=CONFLICT, says="cut: the log signed that it has 1")


def test_cli_ledger__against_a_newer_checkpoint(box):
    box.init()
    outside = Outsider(box)
    _, receipt = put(box, b"one", "r1")
    outside.gets("r1", receipt)
    same = outside.gets("same", box.sherd("prove", "checkpoint").stdout)
    outside.verify("receipt", "r1", "--against", same, says="only grew since")
    size = int(receipt.split(b"\n\n")[1].split(b"\n")[1])
    box.put(b"two")
    now = outside.gets("now", box.sherd("prove", "checkpoint").stdout)
    outside.verify("receipt", "r1", "--against", now, code=USAGE, says="a proof of consistency is needed")
    growth = outside.gets("growth", box.sherd("prove", "consistency", size).stdout)
    outside.verify("receipt", "r1", "--against", now, "--growth", growth, says="only grew since")
    outside.verify("consistency", same, now, growth, says=f"from {size} leaves on it only grew")
    outside.verify("receipt", "r1", "--growth", growth, code=USAGE)
    older = outside.gets("older", box.sherd("prove", "consistency", 1).stdout)
    outside.verify("receipt", "r1", "--against", now, "--growth", older, code=TAMPERED)
    outside.verify("receipt", "r1", "--against", "missing", code=NOT_FOUND)


def test_cli_ledger__another_vaults_log_is_another(box):
    box.init()
    outside = Outsider(box)
    _, receipt = put(box, b"one", "r1")
    outside.gets("r1", receipt)
    shutil.move(box.vault, box.path("first"))
    box.sherd("init")
    outside.verify("receipt", "r1", "--against", box.vault / "anchor" / "ledger", code=TAMPERED)
    outside.key = box.text("prove", "key")
    outside.verify("receipt", "r1", code=TAMPERED, says="not signed")


def test_cli_ledger__a_copy_of_the_log_is_the_export(box):
    box.init()
    outside = Outsider(box)
    for i in range(5):
        box.put(b"%d" % i)
    box.sherd("prove", "checkpoint")
    shutil.copytree(box.vault / "anchor" / "ledger", outside.dir / "log")
    outside.verify("log", "log", says="ok: all of sherd.")
    bundles = list((outside.dir / "log" / "tile" / "entries").rglob("*.p/*"))
    newest = max(bundles, key=lambda path: int(path.name))
    box.flip(newest, random.Random(1).randrange(newest.stat().st_size))
    outside.verify("log", "log", code=TAMPERED)


def test_cli_ledger__evidence(box):
    box.init()
    outside = Outsider(box)
    record, _ = put(box, b"one", "r1", "--entity", "alice")
    box.put(b"another's", "--entity", "bob")
    box.sherd("update", record, "-", input=b"two")
    box.sherd("rm", record)
    log = box.vault / "anchor" / "ledger"
    box.sherd("prove", "evidence", record, "-o", box.path("e1"))
    evidence = box.path("e1").read_bytes()
    outside.verify("evidence", outside.gets("e1", evidence), says=f"ok: 3 leaves about {record} in sherd.")
    lines = outside.verify("evidence", "e1", "--list").splitlines()
    assert len(lines) == 4 and all(f" of {record}, version " in line for line in lines[:3]), lines
    assert [line.split()[2] for line in lines[:3]] == ["put", "update", "delete"], lines
    outside.verify("evidence", "e1", "--against", log, says="it leaves out none with the same pseudonym")
    outside.verify("evidence", outside.gets("alice", box.sherd("prove", "evidence", "alice").stdout), says="ok: 4 lea")
    # Without one of its leaves it is true, and less: who has the log sees what is missing.
    parts = evidence.split(b"\n\n")
    outside.gets("less", b"\n\n".join(parts[:2] + parts[3:]))
    outside.verify("evidence", "less", says="ok: 2 leaves")
    outside.verify("evidence", "less", "--against", log, code=TAMPERED, says="leaves out 1 leaves of the log")
    # A leaf of something else does not get in.
    other = box.sherd("prove", "evidence", "bob").stdout.split(b"\n\n")
    outside.gets("more", b"\n\n".join(parts[:1] + [other[1]] + parts[1:]))
    outside.verify("evidence", "more", code=TAMPERED)
    # And it convicts as receipts do.
    keep(box, "kept")
    box.put(b"x")
    outside.gets("late", box.sherd("prove", "evidence", record).stdout)
    roll_back(box, "kept")
    outside.verify("evidence", "late", "--against", log, code=CONFLICT, says="cut: ")


def test_cli_ledger__history(box):
    box.init()
    record = box.put(b"one", "--entity", "alice")
    box.sherd("update", record, "-", input=b"two")
    box.put(b"another's", "--entity", "bob")
    told = box.text("history", record).splitlines()
    assert len(told) == 3 and "  put " in told[0] and "  update " in told[1], told
    assert told[2].startswith("2 events, each proved to be in sherd."), told
    alice = box.json("history", "alice")
    assert [event["event"] for event in alice["events"]] == ["entity", "put", "update"], alice
    entity = alice["events"][0]["subject"]
    assert {event.get("entity", entity) for event in alice["events"]} == {entity}
    assert box.json("history", entity) == box.json("history", "--as", "entity", "alice")
    assert alice["ledger"]["leaves"] > 5 and len(alice["ledger"]["root"]) == 64, alice
    box.sherd("entity", "erase", "alice")
    assert [event["event"] for event in box.json("history", entity)["events"]][-1] == "erase"
    assert "owner" in box.text("history", "owner")
    box.fails("history", "nobody", code=NOT_FOUND)
    box.fails("history", "00000000-0000-4000-8000-000000000000", code=NOT_FOUND, says="says nothing of that")
    box.fails("history", "alice", "--as", "something", code=USAGE, says="--as")
    box.fails("history", "alice", "--as", "id", code=USAGE, says="no UUID")


def test_cli_ledger__a_restored_vault_proves_what_it_has(box):
    box.init()
    record = box.put(b"one", "--entity", "alice")
    box.sherd("update", record, "-", input=b"two")
    box.put(b"another")
    box.sherd("collection", "create", "clear", "--readable")
    row = box.put(b"a row", "-c", "clear")
    box.sherd("prove", "checkpoint")  # all that is pending is in the old ledger
    box.sherd("backup", box.path("copy"))
    box.sherd("restore", box.path("copy"), box.path("back"))
    box.vault = box.path("back")
    outside = Outsider(box)
    for each, version in ((record, 2), (row, 1)):
        receipt = box.sherd("prove", "record", each).stdout
        outside.verify("receipt", outside.gets("r", receipt), "--record", each, says=f"ok: restore of {each}, version")
        events = box.json("history", "--no-joins", each)["events"]
        assert [(event["event"], event["version"]) for event in events] == [("restore", version)], events
    audited = box.json("audit")["summary"]
    assert audited["entries"] == 6 and audited["strays"] == 0, audited
    box.sherd("update", record, "-", input=b"three")
    assert [event["event"] for event in box.json("history", "--no-joins", record)["events"]] == ["restore", "update"]
    box.sherd("audit")
    box.sherd("audit", "--make-inventory", "secrets", "-o", box.path("inventory"))
    box.run("audit", "--inventory", box.path("inventory"), "--store", box.vault, "--log",
            box.vault / "anchor" / "ledger", "--log-key", outside.key)


def test_cli_ledger__diff(box):
    box.init()
    box.sherd("prove", "checkpoint", "-o", box.path("c1"))
    record = box.put(b"one")
    box.sherd("prove", "checkpoint", "-o", box.path("c2"))
    box.put(b"two")
    between = box.json("diff", box.path("c1"), box.path("c2"))
    assert [event["event"] for event in between["events"]] == ["entity", "put"], between
    assert between["events"][1]["subject"] == record
    size = between["events"][-1]["leaf"] + 1
    later = box.json("diff", size)
    assert [event["event"] for event in later["events"]] == ["put"], later
    assert box.json("diff", box.path("c2"), size)["events"] == []
    assert box.text("diff", box.path("c1")).splitlines()[0].endswith("leaves the ledger only grew")
    box.fails("diff", box.path("c2"), box.path("c1"), code=USAGE, says="the older checkpoint comes first")
    box.fails("diff", 0, size + 100, code=USAGE, says="the ledger has only")
    forged = box.path("c1").read_bytes()
    box.path("c3").write_bytes(forged.replace(forged.split(b"\n")[2], base64.b64encode(bytes(32))))
    box.fails("diff", box.path("c3"), code=TAMPERED)


def test_cli_ledger__through_the_agent(box):
    box.init()
    box.sherd("unseal")
    try:
        def run(*args, **options):
            return box.run("--vault", box.vault, *args, **options).stdout

        outside = Outsider(box)
        record = run("put", "-", "--receipt", box.path("r1"), input=b"one").decode().strip()
        outside.verify("receipt", outside.gets("r1", box.path("r1").read_bytes()), "--record", record)
        outside.verify("evidence", outside.gets("e", run("prove", "evidence", record)), says="ok: 1 leaf about")
        assert run("prove", "key").decode().strip() == outside.key
        assert [event["event"] for event in json.loads(run("history", record, "--json"))["events"]] == ["put"]
        assert json.loads(run("diff", "0", "--json"))["events"]
    finally:
        box.run("--vault", box.vault, "seal")


def test_cli_ledger__users(box):
    box.init()
    outside = Outsider(box)
    bob = box.path("bob.key")
    box.run("keygen", "--pair", bob)
    box.sherd("user", "create", "bob", "--public-key", f"{bob}.pub")
    box.sherd("key", "create", "pay")
    box.sherd("key", "grant", "pay", "bob", "write")
    as_bob = ["--user", "bob", "--user-key", bob]
    record = box.text(*as_bob, "put", "-", "--key", "pay", "--receipt", box.path("r1"), input=b"mine")
    outside.verify("receipt", outside.gets("r1", box.path("r1").read_bytes()), "--record", record)
    box.fails(*as_bob, "history", record, code=NOT_FOUND, says="there is no such record")
    box.fails(*as_bob, "history", "--as", "id", record, code=DENIED)
    box.fails(*as_bob, "prove", "inclusion", 0, code=DENIED)
    box.fails(*as_bob, "diff", 0, code=DENIED)
    box.sherd("key", "grant", "pay", "bob", "read")
    assert [event["event"] for event in box.json(*as_bob, "history", record)["events"]] == ["put"]
    outside.verify("evidence", outside.gets("e1", box.sherd(*as_bob, "prove", "evidence", record).stdout), "--list")


def test_cli_ledger__usage(box):
    box.init()
    box.fails("prove", "nothing", code=USAGE, says="say what to prove")
    box.fails("prove", "inclusion", code=USAGE, says="an operand is missing")
    box.fails("prove", "inclusion", "first", code=USAGE, says="a leaf has a number")
    box.fails("prove", "inclusion", 1000, code=NOT_FOUND, says="the ledger has only")
    box.fails("prove", "consistency", 1000, code=USAGE)
    box.fails("prove", "checkpoint", "--version", 1, code=USAGE, says="--version")
    box.fails("prove", "checkpoint", "--as", "user", code=USAGE, says="--as")
    box.fails("prove", "consistency", 3, 2, code=USAGE, says="the older")
    assert "proof" in box.json("prove", "consistency", 1, 2)
    box.sherd("prove", "checkpoint", "-o", box.path("c"))
    box.fails("prove", "checkpoint", "-o", box.path("c"), code=CONFLICT, says="is there already")


if __name__ == "__main__":
    main(globals())
