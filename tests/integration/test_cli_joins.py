#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every key that the program gives out has one entry, whoever gives it out and however that ends; and who edits, cuts
or removes entries is found. Entries are counted from the files, by docs/format/ledger.md."""
import json
import os
import signal
import struct
import threading

from harness import OK, TAMPERED, USAGE, BUSY, DENIED, OneOf, main

SLOT, KEPT = 64, 120


def ledger(box):
    return box.vault / "anchor" / "ledger"


def kept(box):
    """Joins that are in the ledger: as (file, number)."""
    found = []
    for path in sorted((ledger(box) / "kept").glob("*")) if (ledger(box) / "kept").exists() else []:
        data = path.read_bytes()
        while data:
            magic, count, _ = struct.unpack(">4sIQ", data[:16])
            assert magic == b"SHJB" and 1 <= count <= 256
            for i in range(count):
                at = 16 + i * KEPT
                found.append((data[at:at + 16], struct.unpack(">Q", data[at + 16:at + 24])[0]))
            data = data[16 + count * KEPT:]
    return found


def files(box):
    return [path for path in (ledger(box) / "joins").glob("*") if not path.name.startswith("spare-")]


def waiting(box):
    """Joins that are noted: the same."""
    found = []
    for path in files(box):
        data = path.read_bytes()
        for at in range(2 * SLOT, len(data), SLOT):
            if any(data[at + SLOT - 8:at + SLOT]):
                found.append((bytes.fromhex(path.name), at // SLOT - 1))
    return found


def entries(box):
    """All joins: none is counted twice, noted or kept."""
    known = kept(box)
    assert len(set(known)) == len(known)
    return set(known) | set(waiting(box))


def plain(box, *args, code=OK, **options):
    return box.run("--vault", box.vault, *args, code=code, start_new_session=True, **options)


def seal(box):
    plain(box, "seal", code=OneOf(*range(9)))


def agent_test(function):
    def run(box):
        box.env["XDG_RUNTIME_DIR"] = str(box.dir)
        try:
            function(box)
        finally:
            seal(box)
    return run


def agent_pid(box):
    return json.loads(plain(box, "status", "--json").stdout)["pid"]


def make(box):
    box.init()
    return box.sherd("put", "-", input=b"contents").stdout.decode().strip()


def findings(box, *opening):
    done = box.run(*opening or box.opening(), "verify", "--json", code=OneOf(OK, TAMPERED), start_new_session=True)
    return [finding["text"] for finding in json.loads(done.stdout)["findings"]]


def test_cli_joins__one_shot_commands_note_what_they_give(box):
    record = make(box)
    assert entries(box) == set()
    for _ in range(3):
        assert box.sherd("get", record).stdout == b"contents"
    assert len(entries(box)) == 3
    box.sherd("export", box.path("out"))
    assert len(entries(box)) == 4
    box.sherd("ls")
    box.sherd("stat", record)
    box.sherd("verify")  # for reading only: gives nothing out, and writes nothing
    assert len(entries(box)) == 4
    assert findings(box) == []


@agent_test
def test_cli_joins__an_agent_notes_for_all_who_ask(box):
    record = make(box)
    box.sherd("unseal")
    threads = [threading.Thread(target=lambda: [plain(box, "get", record) for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(entries(box)) == 20
    plain(box, "verify")  # which gets each record's key once
    seal(box)
    assert len(kept(box)) == 21 and waiting(box) == []
    assert findings(box) == []


@agent_test
def test_cli_joins__a_killed_agent_has_noted_all(box):
    record = make(box)
    for killed in range(1, 4):
        box.sherd("unseal")
        for _ in range(7):
            plain(box, "get", record)
        os.kill(agent_pid(box), signal.SIGKILL)
        assert len(entries(box)) == 7 * killed
    box.sherd("unseal")  # takes what they have left
    assert len(kept(box)) == 21 and waiting(box) == []
    seal(box)
    assert findings(box) == []


@agent_test
def test_cli_joins__what_is_edited_or_removed_is_found(box):
    record = make(box)
    box.sherd("unseal")
    plain(box, "get", record)
    seal(box)
    path = ledger(box) / "kept" / "0000000000"
    before = path.read_bytes()
    for data in (before[:50] + bytes([before[50] ^ 1]) + before[51:], before[:-1], b""):
        path.write_bytes(data)
        assert len(findings(box)) == 1 and "given out" in findings(box)[0]
    path.write_bytes(before)
    assert findings(box) == []

    box.sherd("unseal")
    for noted in files(box):
        noted.unlink()  # the agent's, before it has given anything out
    plain(box, "get", record)
    seal(box)
    assert any("lost" in text for text in findings(box))
    plain(box, "verify", code=OneOf(USAGE, BUSY, DENIED))
    assert any("lost" in text for text in findings(box))  # for ever


@agent_test
def test_cli_joins__strict_is_the_vaults(box):
    record = make(box)
    assert b"grouped" in box.sherd("joins").stdout
    box.sherd("joins", "strict")
    assert box.json("joins") == {"strict": True}
    box.sherd("unseal")
    assert json.loads(plain(box, "joins", "--json").stdout) == {"strict": True}
    plain(box, "get", record)
    plain(box, "joins", "grouped")
    plain(box, "get", record)
    assert json.loads(plain(box, "joins", "--json").stdout) == {"strict": False}
    assert len(entries(box)) == 2
    box.sherd("joins", "sometimes", code=USAGE)
    box.sherd("joins", "strict", "grouped", code=USAGE)


if __name__ == "__main__":
    main(globals())
