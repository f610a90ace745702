#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Readable collections, queries and links, by the real programs. Who reads and who attacks the store uses LMDB's own
tools (mdb_dump, mdb_load), which know nothing of Sherd; where they are missing, the tests fail."""
import json
import os
import shutil
import subprocess
import threading

from harness import NOT_FOUND, OK, TAMPERED, USAGE, main

VERIFY = os.environ["SHERD_VERIFY"]


def library(box, rows=6):
    """A vault with a readable collection of books."""
    box.init()
    done = box.sherd("collection", "create", "books", "--readable")
    assert b"in clear" in done.stderr, done.stderr
    return [box.text("put", "-", "-c", "books", "-a", f"n={n}", "-a", f"title=Title {n}", input=b"book %d" % n)
            for n in range(rows)]


def rows_of(box, *args, code=OK):
    out = box.sherd("query", "books", "--json", *args, code=code).stdout.decode()
    return [json.loads(line) for line in out.splitlines() if line.startswith('{"id"')]


def data(box):
    return box.vault / "secrets" / "data.mdb"


def dump(box):
    """What lies in `secrets`, as LMDB's own tool tells it: name and value of each entry, in hexadecimal."""
    box.sherd("sweep")
    done = subprocess.run(["mdb_dump", "-n", data(box)], check=True, stdout=subprocess.PIPE)
    lines = done.stdout.decode().split("\n")
    begin, end = lines.index("HEADER=END"), lines.index("DATA=END")
    entries = lines[begin + 1:end]
    return lines[:begin + 1], list(zip(entries[::2], entries[1::2]))


def write(head, entries):
    head = [line for line in head if not line.startswith("db_pagesize")]
    return "\n".join([*head, *(line for entry in entries for line in entry), "DATA=END", ""]).encode()


def load(box, head, entries):
    """Put entries in the place of all that lies in `secrets`."""
    fresh = box.path("fresh.mdb")
    fresh.unlink(missing_ok=True)
    subprocess.run(["mdb_load", "-n", fresh], check=True, input=write(head, entries))
    shutil.copyfile(fresh, data(box))


def is_row(entry):
    return entry[1].startswith(" 01810002")


def public_key(box):
    return json.loads(box.sherd("info", "--json").stdout)["public_key"]


def verify(box, *args, code=OK, **options):
    done = subprocess.run([VERIFY, *map(str, args)], check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=box.env, **options)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def test_cli_readable__a_query_filters_and_selects(box):
    ids = library(box)
    assert {row["id"] for row in rows_of(box)} == set(ids)
    assert [row["attributes"] for row in rows_of(box, "-w", "n>=4", "-w", "title~Title", "-s", "n")] in (
        [{"n": "4"}, {"n": "5"}], [{"n": "5"}, {"n": "4"}])
    (row,) = rows_of(box, "--where", "n=3", "--contents")
    assert row["content"] == "book 3" and row["id"] == ids[3] and row["version"] == 1
    assert rows_of(box, "-w", "n!=3", "-w", "n<1")[0]["id"] == ids[0]
    assert len(rows_of(box, "-n", "2")) == 2
    plain = box.sherd("query", "books", "-w", "n=2")
    assert plain.stdout.decode() == f"{ids[2]}  n=2  title=Title 2\n"
    assert b"1 of 6 records, all of them verified" in plain.stderr
    for bad in (["-w", "n"], ["-w", "=3"], ["-s", ","], ["-n", "0"]):
        box.sherd("query", "books", *bad, code=USAGE)
    box.sherd("query", "none", code=NOT_FOUND)


def test_cli_readable__sealed_collections_are_asked_the_same(box):
    box.init()
    ids = [box.text("put", "-", "-a", f"n={n}", input=b"sealed") for n in range(3)]
    done = box.sherd("query", "default", "-w", "n>0", "--contents", "--json").stdout.decode().splitlines()
    assert {json.loads(line)["id"] for line in done} == set(ids[1:])
    assert all(json.loads(line)["content"] == "sealed" for line in done)


def test_cli_readable__life_of_a_row(box):
    ids = library(box)
    box.sherd("update", ids[1], "-", "-a", "n=100", input=b"second edition")
    assert box.sherd("get", ids[1]).stdout == b"second edition"
    assert rows_of(box, "-w", "n>99")[0]["version"] == 2
    box.sherd("rm", ids[2])
    box.sherd("get", ids[2], code=NOT_FOUND)
    box.sherd("export", "-c", "books", box.path("out"))
    assert sorted(path.name for path in box.path("out").iterdir()) == sorted(ids[:2] + ids[3:])
    box.sherd("rekey")
    box.sherd("rekey", "--deep")
    box.sherd("verify")
    assert len(rows_of(box)) == 5
    box.sherd("put", "-", "-c", "books", "-e", "pat", input=b"x", code=USAGE)
    box.sherd("entity", "erase", "-c", "books", "pat", code=USAGE)
    box.sherd("collection", "create", "more", "--readable", "--versions-kept", "2", code=USAGE)
    assert json.loads(box.sherd("collection", "show", "books", "--json").stdout)["readable"] is True


def test_cli_readable__who_reads_the_store_verifies_with_a_public_key(box):
    ids = library(box)
    head, entries = dump(box)
    key = public_key(box)
    done = verify(box, "rows", "--key", key, "-", input=write(head, entries))
    told = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert {row["id"] for row in told} == set(ids)
    assert {row["content"] for row in told} == {f"book {n}" for n in range(6)}
    row = next(entry for entry in entries if is_row(entry))
    stored = bytes.fromhex(row[1].strip())
    box.path("row").write_bytes(stored)
    assert b"ok: record " in verify(box, "row", "--key", key, box.path("row")).stdout
    for i in range(len(stored)):  # every byte
        box.path("row").write_bytes(stored[:i] + bytes([stored[i] ^ 1]) + stored[i + 1:])
        verify(box, "row", "--key", key, box.path("row"), code=TAMPERED)
    box.path("row").write_bytes(stored[:-1])
    verify(box, "row", "--key", key, box.path("row"), code=TAMPERED)
    verify(box, "rows", "--key", key, "-", input=write(head, entries + [(" " + "ee" * 16, row[1])]), code=TAMPERED)
    verify(box, "rows", "-", input=b"", code=USAGE)
    verify(box, "rows", "--key", key, "-", input=b"no dump", code=USAGE)


def test_cli_readable__another_deployments_rows_are_no_rows(box):
    library(box, 2)
    head, entries = dump(box)
    other = box.path("other")
    box.run("--vault", other, "--key-file", box.key, "init")
    key = json.loads(box.run("--vault", other, "--key-file", box.key, "info", "--json").stdout)["public_key"]
    verify(box, "rows", "--key", key, "-", input=write(head, entries), code=TAMPERED)


def attack(box, change):
    """What an attack on the store does to a query, and to get of the record attacked."""
    head, entries = dump(box)
    rows = [i for i, entry in enumerate(entries) if is_row(entry)]
    load(box, head, change(list(entries), rows))


def test_cli_readable__attacks_on_the_store_are_seen(box):
    library(box)
    head, entries = dump(box)

    def flip(entries, rows):
        name, value = entries[rows[0]]
        stored = bytearray.fromhex(value.strip())
        stored[-70] ^= 1  # in the contents
        entries[rows[0]] = (name, " " + stored.hex())
        return entries

    def swap(entries, rows):
        (first, one), (second, other) = entries[rows[0]], entries[rows[1]]
        entries[rows[0]], entries[rows[1]] = (first, other), (second, one)
        return entries

    def remove(entries, rows):
        del entries[rows[2]]
        return entries

    def double(entries, rows):
        entries[rows[0]] = (entries[rows[0]][0], entries[rows[1]][1])
        return entries

    for change in (flip, remove, double):
        attack(box, change)
        assert len(rows_of(box, code=TAMPERED)) < 6
        box.sherd("verify", code=TAMPERED)
        load(box, head, entries)
        assert len(rows_of(box)) == 6
    attack(box, swap)  # the same rows under other names: the answer is right, and verify sees it
    assert len(rows_of(box)) == 6
    box.sherd("verify", code=TAMPERED)
    load(box, head, entries)
    box.sherd("verify")


def test_cli_readable__a_row_that_is_rolled_back_is_seen(box):
    ids = library(box)
    _, before = dump(box)
    box.sherd("update", ids[0], "-", input=b"second")
    head, after = dump(box)
    old = next(entry for entry in before if is_row(entry) and entry[0] not in {name for name, _ in after})
    new = next(i for i, entry in enumerate(after) if is_row(entry) and entry[0] not in {name for name, _ in before})
    rolled = list(after)
    rolled[new] = (after[new][0], old[1])
    verify(box, "rows", "--key", public_key(box), "-", input=write(head, rolled))  # signed: that is what it cannot see
    load(box, head, rolled)
    assert ids[0] not in {row["id"] for row in rows_of(box, code=TAMPERED)}
    box.sherd("get", ids[0], code=TAMPERED)
    box.sherd("verify", code=TAMPERED)


def test_cli_readable__survives_backup_and_restore(box):
    ids = library(box)
    box.sherd("backup", box.path("copy"))
    back = box.path("back")
    box.sherd("restore", box.path("copy"), back)
    done = box.run("--vault", back, "--key-file", box.key, "query", "books", "--json")
    assert {json.loads(line)["id"] for line in done.stdout.decode().splitlines()} == set(ids)
    box.run("--vault", back, "--key-file", box.key, "verify")


def test_cli_readable__through_the_agent_and_for_users(box):
    """The agent signs rows and adds them up without seeing them; a user reads and writes what a key lets it."""
    box.init()
    box.run("keygen", "--pair", box.path("anna.key"))
    box.sherd("user", "create", "anna", "--public-key", box.path("anna.key.pub"), "--quiet")
    box.run("keygen", "--pair", box.path("bert.key"))
    box.sherd("user", "create", "bert", "--public-key", box.path("bert.key.pub"), "--quiet")
    box.sherd("key", "create", "ours", "--owner", "anna")
    box.sherd("collection", "create", "ours", "--readable", "--key", "ours")
    box.sherd("unseal")
    try:
        def anna(*args, **options):
            return box.run("--vault", box.vault, "--user", "anna", "--user-key", box.path("anna.key"), *args, **options)

        def bert(*args, **options):
            return box.run("--vault", box.vault, "--user", "bert", "--user-key", box.path("bert.key"), *args, **options)

        record = anna("put", "-", "-c", "ours", "-a", "n=1", input=b"of anna").stdout.decode().strip()
        anna("update", record, "-", input=b"of anna, again")
        owned = box.run("--vault", box.vault, "put", "-", "-c", "ours", "-a", "n=2", input=b"of the owner")
        assert owned.stdout
        for who in (anna, lambda *args: box.run("--vault", box.vault, *args)):
            assert len(who("query", "ours", "--json").stdout.splitlines()) == 2
        assert b"of anna, again" in anna("query", "ours", "-w", "n=1", "--contents").stdout
        assert bert("query", "ours", "--json").stdout == b""
        bert("put", "-", "-c", "ours", input=b"x", code=NOT_FOUND)
        box.run("--vault", box.vault, "rekey", "--deep")
        assert len(box.run("--vault", box.vault, "query", "ours", "--json").stdout.splitlines()) == 2
    finally:
        box.run("--vault", box.vault, "seal")
    box.sherd("verify")
    _, entries = dump(box)
    verify(box, "rows", "--key", public_key(box), "-", input=write(["HEADER=END"], entries))


def test_cli_readable__queries_hold_while_others_write(box):
    """Rows that come, change and go meanwhile are no violation, and those that stay are always in the answer."""
    stay = set(library(box, 8))
    done = []

    def work():
        while not done:
            record = box.put(b"comes", "-c", "books", "-a", "n=0")
            box.sherd("update", record, "-", input=b"changes")
            box.sherd("rm", record)

    writers = [threading.Thread(target=work) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(25):
            assert stay <= {row["id"] for row in rows_of(box)}
    finally:
        done.append(True)
        for writer in writers:
            writer.join()
    assert stay == {row["id"] for row in rows_of(box)}
    box.sherd("verify")


def test_cli_readable__links_are_kept_shown_and_checked(box):
    box.init()
    target = box.text("put", "-", "-e", "pat", input=b"target")
    linked = box.text("put", "-", "--link", f"{target}=parent", "--link", f"{target}@1", "--link",
                      "entity:default/pat=patient", input=b"linked")
    stat = json.loads(box.sherd("stat", linked, "--json").stdout)
    assert stat["links"] == [{"record": target, "version": 0, "role": "parent"},
                             {"record": target, "version": 1, "role": ""},
                             {"collection": "default", "entity": "pat", "role": "patient"}]
    assert f"link        {target}=parent" in box.text("stat", linked)
    assert f"-> {target}@1" in box.text("ls", "-l")
    box.sherd("verify")
    box.sherd("update", linked, "-", input=b"again")
    assert len(json.loads(box.sherd("stat", linked, "--json").stdout)["links"]) == 3
    box.sherd("update", linked, "-", "--link", f"{target}=only", input=b"again")
    assert len(json.loads(box.sherd("stat", linked, "--json").stdout)["links"]) == 1
    box.sherd("rm", target)
    done = box.sherd("verify", "--json", code=TAMPERED).stdout.decode()
    assert '"link"' in done, done
    box.sherd("update", linked, "-", "--link", "none", input=b"again")
    box.sherd("verify")
    for bad in ("nonsense", "entity:", "=role", f"{target}@0", f"{target}="):
        box.sherd("put", "-", "--link", bad, input=b"x", code=USAGE)
    box.sherd("put", "-", "--link", target, input=b"x", code=NOT_FOUND)


if __name__ == "__main__":
    main(globals())
