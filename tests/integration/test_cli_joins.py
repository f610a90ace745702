#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every key that the program gives out has one entry, whoever gives it out and however that ends; and who edits, cuts
or removes entries is found. Entries are counted from the files, by docs/format/ledger.md."""
import base64
import json
import os
import signal
import struct
import subprocess
import threading

from harness import OK, TAMPERED, USAGE, BUSY, DENIED, NOT_FOUND, OneOf, main

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


# --- history and evidence ---------------------------------------------------------------------------------------------

def told(box, *args):
    return [event["event"] for event in box.json("history", *args)["events"]]


def read(box, record, times):
    for _ in range(times):
        box.sherd("get", record)


def outside(box, evidence, code=OK):
    """What sherd-verify says of evidence, with the log's public key alone."""
    path = box.path("evidence")
    path.write_bytes(evidence)
    key = box.text("prove", "key")
    done = subprocess.run([os.environ["SHERD_VERIFY"], "evidence", path, "--list", "--log-key", key], env={},
                          check=False, capture_output=True, timeout=60)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout.decode()


def test_cli_joins__history_tells_who_read_what(box):
    record = make(box)
    other = box.put(b"another's", "--entity", "bob")
    bob = box.path("bob.key")
    box.run("keygen", "--pair", bob)
    box.sherd("user", "create", "bob", "--public-key", f"{bob}.pub")
    box.sherd("key", "create", "pay")
    box.sherd("key", "grant", "pay", "bob", "read,write")
    as_bob = ["--user", "bob", "--user-key", bob]
    theirs = box.text(*as_bob, "put", "-", "--key", "pay", input=b"shared")
    read(box, record, 2)
    read(box, other, 1)
    box.sherd(*as_bob, "get", theirs)
    box.sherd("get", theirs)
    assert told(box, record) == ["put", "join", "join"]
    assert told(box, "bob") == ["entity", "put", "join"]
    assert told(box, "--as", "user", "bob")[-2:] == ["put", "join"]
    assert told(box, record, "--no-joins") == ["put"]
    joins = [event for event in box.json("history", theirs)["events"] if event["event"] == "join"]
    assert [event.get("by") for event in joins] == ["bob", None] and {event["version"] for event in joins} == {1}
    assert len({event["leaf"] for event in joins}) == 1
    mine = box.json(*as_bob, "history", theirs)["events"]
    assert [event["event"] for event in mine] == ["put", "join", "join"]
    box.fails(*as_bob, "history", record, code=NOT_FOUND)  # nor does who read it
    box.fails(*as_bob, "history", "--as", "user", "bob", code=DENIED)


@agent_test
def test_cli_joins__history_through_an_agent_is_the_same(box):
    record = make(box)
    read(box, record, 3)
    box.sherd("unseal")
    for _ in range(300):
        plain(box, "get", record)
    first = json.loads(plain(box, "history", record, "--json").stdout)
    assert [event["event"] for event in first["events"]] == ["put"] + 303 * ["join"]
    assert plain(box, "prove", "evidence", record).stdout.count(b"extra ") == 304
    seal(box)
    assert box.json("history", record)["events"] == first["events"]


def test_cli_joins__evidence_shows_them_and_no_others(box):
    record = make(box)
    other = box.put(b"another's")
    read(box, other, 2)
    read(box, record, 3)
    read(box, other, 1)
    evidence = box.sherd("prove", "evidence", record).stdout
    said = outside(box, evidence)
    assert "ok: 1 leaf and 3 joins about" in said and said.count(f"join of {record}, version 1") == 3
    assert box.sherd("prove", "evidence", record, "--no-joins").stdout.count(b"extra ") == 1
    head, *parts, checkpoint = evidence.split(b"\n\n", 5)
    assert len(parts) == 4 and bytes.fromhex(other.replace("-", "")) not in base64.b64decode(parts[1].split()[1])
    theirs = box.sherd("prove", "evidence", other).stdout.split(b"\n\n")[2]
    for changed in ([*parts[:3], theirs], [parts[0], parts[2], parts[1], parts[3]], [*parts, parts[3]],
                    [*parts[:3], parts[3].replace(b"extra A", b"extra B", 1)]):
        outside(box, b"\n\n".join([head, *changed, checkpoint]), code=TAMPERED)
    for at in range(0, 1000, 37):  # a join that is made up, in any way
        opening = bytearray(base64.b64decode(parts[1].split()[1]))
        opening[-1 - at % len(opening)] ^= 1
        made_up = parts[1].replace(parts[1].split()[1], base64.b64encode(opening))
        outside(box, b"\n\n".join([head, parts[0], made_up, checkpoint]), code=TAMPERED)


def batches(data):
    """Where the batches of a file of kept slots begin, and its end."""
    starts = [0]
    while starts[-1] < len(data):
        starts.append(starts[-1] + 16 + KEPT * struct.unpack(">I", data[starts[-1] + 4:starts[-1] + 8])[0])
    return starts


def two_leaves(box):
    """A record that was read twice for each of two leaves; the file that has them."""
    record = make(box)
    for _ in range(2):
        read(box, record, 2)
        box.sherd("history", record, "--no-joins")  # makes leaves
    return record, ledger(box) / "kept" / "0000000000"


def test_cli_joins__history_is_whole_or_none(box):
    record, path = two_leaves(box)
    before = path.read_bytes()
    one, two = before[:batches(before)[1]], before[batches(before)[1]:]
    slot = slice(16, 16 + KEPT)
    attacks = {
        "changed": before[:60] + bytes([before[60] ^ 1]) + before[61:],
        "another commitment": before[:16 + KEPT - 1] + bytes([before[16 + KEPT - 1] ^ 1]) + before[16 + KEPT:],
        "removed": before[:4] + struct.pack(">I", 1) + before[8:16] + before[16 + KEPT:],
        "a leaf's removed": two,
        "the newest cut": one,
        "all removed": b"",
        "swapped in a leaf": one[:16] + one[16 + KEPT:] + one[slot] + two,
        "swapped between leaves": one[:16] + two[slot] + one[16 + KEPT:] + two[:16] + one[slot] + two[16 + KEPT:],
        "leaves swapped": one[:8] + two[8:] + two[:8] + one[8:],
        "twice": one + one[:8] + two[8:16] + one[16:],
    }
    for name, data in attacks.items():
        path.write_bytes(data)
        for command in (["history", record], ["prove", "evidence", record], ["history", "owner"]):
            done = box.sherd(*command, code=TAMPERED)
            assert b"given out are missing or were changed" in done.stderr, (name, command, done.stderr)
        assert told(box, record, "--no-joins") == ["put"], name
        assert len(findings(box)) == 1, name
    path.unlink()
    box.sherd("history", record, code=TAMPERED)
    path.write_bytes(before)
    assert told(box, record) == ["put"] + 4 * ["join"] and findings(box) == []


def acknowledge(box, text):
    box.sherd("scrub", code=TAMPERED)
    found = [finding for finding in box.json("scrub", "findings")["findings"] if text in finding["text"]]
    assert len(found) == 1, found
    box.sherd("scrub", "acknowledge", found[0]["finding"])


def test_cli_joins__what_is_lost_can_be_acknowledged(box):
    record, path = two_leaves(box)
    before = path.read_bytes()
    first, second = sorted({event["leaf"] for event in box.json("history", record)["events"][1:]})
    path.write_bytes(before[:60] + bytes([before[60] ^ 1]) + before[61:])
    box.sherd("scrub", code=TAMPERED)
    acknowledge(box, f"leaves {first} to {first}")
    assert findings(box) == []
    box.sherd("scrub")
    events = box.json("history", record)["events"]
    assert [event["event"] for event in events][:4] == ["put", "lost", "join", "join"]  # and those of the scrubber
    assert (events[1]["leaf"], events[1]["count"]) == (first, 2)
    assert "of which nothing more is known" in box.text("history", record)
    assert "accept" in [event["event"] for event in box.json("diff", 0)["events"]]
    assert outside(box, box.sherd("prove", "evidence", record).stdout).count("join of") == len(events) - 2

    before = before[:batches(before)[2]] + path.read_bytes()[batches(before)[2]:]
    path.unlink()  # more than that is another finding
    last = events[-1]["leaf"]
    assert len(findings(box)) == 1 and f"leaves {second} to {last}" in findings(box)[0]
    box.sherd("history", record, code=TAMPERED)
    acknowledge(box, f"leaves {second} to ")
    assert findings(box) == [] and told(box, record)[1:4] == ["lost"] * 3
    read(box, record, 1)  # and it goes on
    assert told(box, record)[-1] == "join" and findings(box) == []
    path.write_bytes(before + path.read_bytes()[len(before):])  # what comes back counts
    assert findings(box) == [] and told(box, record)[:5] == ["put"] + 4 * ["join"]


@agent_test
def test_cli_joins__releases_without_an_entry_can_be_acknowledged(box):
    record = make(box)
    known = 0
    for _ in range(2):
        box.sherd("unseal")
        for noted in files(box):
            noted.unlink()
        plain(box, "get", record)
        seal(box)
        text, = findings(box)
        count = int(text.split(": ")[-1].removesuffix(" at least"))
        assert "whose entries are lost" in text and count > known
        known = count
        acknowledge(box, "whose entries are lost")
        assert findings(box) == []
        events = box.json("history", record)["events"]
        assert sum(event["count"] for event in events if event["event"] == "lost") == known
    box.fails("history", "00000000-0000-4000-8000-000000000000", code=NOT_FOUND)  # not of whatever is asked


if __name__ == "__main__":
    main(globals())
