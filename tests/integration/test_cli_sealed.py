#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records that only their recipient opens."""
import os
import re
import stat

from harness import CONFLICT, DENIED, OK, OneOf, TAMPERED, UNSUPPORTED, USAGE, main

MARKER = b"MARKER-of-what-is-sealed-0123456789 "
RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")


def pair(box, name):
    """A key pair: its file, and the recipient."""
    recipient = box.run("keygen", "--recipient", "-o", name, "-q").stdout.decode().strip()
    assert RECIPIENT.fullmatch(recipient), recipient
    return box.path(name), recipient


def test_cli_sealed_keygen__writes_a_pair_that_its_owner_alone_reads(box):
    file, recipient = pair(box, "mine")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = file.read_text().splitlines()
    assert lines[0] == f"# public key: {recipient}" and lines[1].startswith("AGE-SECRET-KEY-1"), lines[0]
    done = box.run("keygen", "--recipient", "other", "--json")
    assert b"AGE-SECRET" not in done.stdout + done.stderr
    box.run("keygen", "--recipient", "mine", code=CONFLICT)
    assert file.read_text().splitlines() == lines


def test_cli_sealed_keygen__says_what_is_missing(box):
    for args in [["--recipient"], ["--recipient", "a", "-o", "b"], ["--pq", "a"], []]:
        box.one_line(box.run("keygen", *args, code=USAGE))
        assert os.listdir(box.dir) == [], args
    done = box.run("keygen", "--recipient", "--pq", "a", code=OneOf(OK, UNSUPPORTED))
    if done.returncode == OK:
        assert done.stdout.startswith(b"age1pq1") and len(done.stdout) == 1960
    else:
        assert b"OpenSSL 3.5" in box.one_line(done).encode() and os.listdir(box.dir) == []


def test_cli_sealed__opens_with_the_identity_alone(box):
    box.init()
    mine, recipient = pair(box, "mine")
    other, _ = pair(box, "other")
    for content in [b"", MARKER, MARKER * 100000]:
        record = box.put(content, "--to", recipient)
        assert box.get(record, "--identity", mine) == content
        box.fails("get", record, code=DENIED, says="sealed to a recipient: give --identity")
        box.fails("get", record, "-i", other, code=DENIED, says="another recipient")
        box.fails("get", record, "-o", "out", code=DENIED)
        assert not box.path("out").exists()
        raw = box.get(record, "--raw")
        assert len(raw) > len(content) + 100 and MARKER[:10] not in raw
        info = box.json("stat", record)
        assert (info["recipient"], info["bytes"]) == (recipient, len(content))
    assert recipient in box.text("stat", record)
    assert box.text("ls", "-l").count("sealed to a recipient") == 3
    box.sherd("verify")


def test_cli_sealed__is_nowhere_in_the_vault(box):
    box.init()
    _, recipient = pair(box, "mine")
    box.put(MARKER * 10000, "--to", recipient)
    box.put(MARKER, "--to", recipient)
    for parent, _, names in os.walk(box.vault):
        for name in names:
            with open(os.path.join(parent, name), "rb") as file:
                data = file.read()
            assert MARKER[:12] not in data and recipient.encode() not in data, name


def test_cli_sealed__ranges(box):
    box.init()
    mine, recipient = pair(box, "mine")
    content = bytes(i * 7 % 251 for i in range(200000))
    record = box.put(content, "--to", recipient)
    for text, part in [("0-0", content[:1]), ("16380-16390", content[16380:16391]), ("-100", content[-100:]),
                       ("100000-", content[100000:]), ("199999-300000", content[199999:])]:
        assert box.get(record, "-i", mine, "-r", text) == part, text
    raw = box.get(record, "--raw")
    assert box.get(record, "--raw", "-r", "32-87") == raw[32:88]
    box.fails("get", record, "-i", mine, "-r", "200001-", code=USAGE, says="200000 bytes")


def test_cli_sealed_update__keeps_replaces_and_ends(box):
    box.init()
    mine, recipient = pair(box, "mine")
    other, another = pair(box, "other")
    record = box.put(b"1", "--to", recipient)
    for content, args, key in [(b"2", [], mine), (b"3", ["-t", "text/plain"], mine), (b"4", ["--to", another], other),
                               (b"5", ["-a", "x=y"], other)]:
        box.sherd("update", record, *args, input=content)
        box.fails("get", record, code=DENIED)
        assert box.get(record, "-i", key) == content
    box.sherd("update", record, "--to", "none", input=b"6")
    assert box.get(record) == b"6"
    info = box.json("stat", record)
    assert (info["recipient"], info["type"], info["attributes"]) == (None, "text/plain", {"x": "y"})
    assert "sealed" not in box.text("ls", "-l")


def test_cli_sealed__refuses_what_is_no_key(box):
    box.init()
    mine, recipient = pair(box, "mine")
    record = box.put(b"x", "--to", recipient)
    for text in ["age1", recipient[:-1] + ("q" if recipient[-1] != "q" else "p"), recipient.upper()]:
        box.fails("put", "-", "--to", text, code=USAGE, says="public key", input=b"x")
        box.fails("update", record, "-", "--to", text, code=USAGE, says="public key", input=b"x")
    box.fails("put", "-", "--to", recipient, "--idempotency-key", "k", code=USAGE, says="idempotency", input=b"x")
    secret = mine.read_text().splitlines()[1]
    box.path("bad").write_text("# a comment\n" + secret.lower() + "\n")
    os.chmod(box.path("bad"), 0o600)
    line = box.fails("get", record, "-i", "bad", code=USAGE, says="line 2")
    assert secret[20:30] not in line.upper()
    box.path("empty").write_bytes(b"")
    os.chmod(box.path("empty"), 0o600)
    box.fails("get", record, "-i", "empty", code=USAGE)
    box.fails("get", record, "-i", "absent", code=1, says="absent")
    box.fails("get", record, "-i", mine, "--raw", code=USAGE)


def test_cli_sealed__warns_of_an_identity_that_others_can_read(box):
    box.init()
    mine, recipient = pair(box, "mine")
    record = box.put(b"x", "--to", recipient)
    os.chmod(mine, 0o644)
    done = box.sherd("get", record, "-i", mine)
    assert done.stdout == b"x" and b"other users may read the identity file" in done.stderr
    done = box.sherd("get", record, "-i", "-", input=mine.read_bytes())
    assert done.stdout == b"x" and done.stderr == b""


def test_cli_sealed__a_changed_fragment_is_an_integrity_violation(box):
    box.init()
    mine, recipient = pair(box, "mine")
    record = box.put(MARKER * 10000, "--to", recipient)
    box.flip(box.blobs()[0], 20000)
    box.sherd("get", record, "-i", mine, code=TAMPERED)
    box.sherd("get", record, "--raw", code=TAMPERED)
    box.sherd("verify", code=TAMPERED)


def test_cli_sealed__trees(box):
    box.init()
    mine, recipient = pair(box, "mine")
    tree = box.path("tree")
    (tree / "sub" / "empty").mkdir(parents=True)
    files = {"small": MARKER, "sub/none": b"", "sub/edge": b"e" * (63 << 10), "sub/large": MARKER * 50000}
    for name, content in files.items():
        (tree / name).write_bytes(content)
    box.sherd("import", "--to", recipient, tree)
    assert box.text("import", "--resume", "--to", recipient, tree) == ""
    assert {info["recipient"] for info in box.json("ls")["records"]} == {recipient}
    box.sherd("export", "without", code=DENIED)
    assert [path for path in box.path("without").rglob("*") if path.is_file()] == []
    box.sherd("export", "with", "--identity", mine)
    for name, content in files.items():
        assert (box.path("with") / name).read_bytes() == content, name
    assert (box.path("with") / "sub" / "empty").is_dir()


if __name__ == "__main__":
    main(globals())
