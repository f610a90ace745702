#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Backups and receipts of a vault that an agent has unsealed; and what a backup holds of keys that are spread."""
import json
import os
import shutil
import signal
import subprocess
import threading

from harness import BUSY, FAILURE, NOT_FOUND, OK, TAMPERED, USAGE, OneOf, main
from test_cli_agent import agent_test, gone, plain, status, unseal, vault, wait_until


def fill(box, count=40):
    """Records and what is in them, put through the agent."""
    records = {}
    for i in range(count):
        content = os.urandom(300000 if i % 10 == 0 else 20)
        record = plain(box, "put", "-", "--entity", f"pat {i % 4}", input=content).stdout.decode().strip()
        records[record] = content
    return records


def check(box, where, records):
    """A vault with these records and no others, by what unseals it."""
    assert set(box.run("--vault", where, "--key-file", box.key, "ls").stdout.decode().split()) == set(records)
    for record, content in records.items():
        assert box.run("--vault", where, "--key-file", box.key, "get", record).stdout == content
    box.run("--vault", where, "--key-file", box.key, "verify")


def restore(box, backup, where, *args, code=OK):
    return box.run("--vault", box.vault, "--key-file", box.key, "restore", box.path(backup), box.path(where), *args,
                   code=code)


@agent_test
def test_backup_agent__makes_a_backup_without_a_key(box):
    vault(box, "--idle", "1h")
    records = fill(box)
    made = json.loads(plain(box, "backup", box.path("b"), "--epoch-key", box.path("epoch"), "--json").stdout)
    plain(box, "put", "-", input=b"after it")
    assert json.loads(plain(box, "backup", "list", box.path("b"), "--json").stdout)["backups"][0]["state"] == "readable"
    # a backup is read with its own seals, so the agent does not help there
    for verb in (["backup", "verify", box.path("b")], ["restore", box.path("b"), box.path("copy")]):
        box.one_line(plain(box, *verb, code=USAGE))
    assert box.json("backup", "verify", box.path("b")) == made
    restore(box, "b", "copy")
    check(box, box.path("copy"), records)
    shutil.rmtree(box.vault / "anchor")  # by the exported key alone
    box.run("--vault", box.path("nowhere"), "--key-file", box.key, "restore", box.path("b"), box.path("other"),
            "--epoch-key", box.path("epoch"))
    check(box, box.path("other"), records)


@agent_test
def test_backup_agent__gives_the_same_as_without_it(box):
    vault(box)
    for i in range(5):
        box.put(b"record %d" % i)
    box.sherd("prove", "checkpoint")  # so that no change waits for the ledger, as none does once an agent serves
    without = box.json("backup", box.path("without"))
    key = box.json("info")["public_key"]
    unseal(box)
    through = json.loads(plain(box, "backup", box.path("through"), "--json").stdout)
    same = ("deployment", "epoch", "epoch_older", "bytes", "entries", "blobs")
    assert [through[name] for name in same] == [without[name] for name in same], (through, without)
    assert json.loads(plain(box, "info", "--json").stdout)["public_key"] == key


@agent_test
def test_backup_agent__signs_receipts(box):
    vault(box, "--idle", "1h")
    records = list(fill(box, 8))
    info = json.loads(plain(box, "info", "--json").stdout)
    box.path("pub").write_text(info["public_key"], encoding="utf-8")

    def verify(name, *args, code=OK):
        """By the public key, which needs no vault; and by the agent's."""
        box.run("receipt", "verify", box.path(name), "--public-key", box.path("pub"), *args, code=code)
        return plain(box, "receipt", "verify", box.path(name), *args, code=code)

    plain(box, "rm", records[0], records[1], "--receipt", box.path("gone"))
    assert b"records deleted (2 named)" in verify("gone", "--record", records[1]).stdout
    verify("gone", "--record", records[2], code=NOT_FOUND)
    plain(box, "entity", "erase", "pat 3", "--receipt", box.path("erased"))
    verify("erased", "--entity", "pat 3")
    verify("erased", "--entity", "pat 2", code=NOT_FOUND)
    plain(box, "key", "activate", "default")
    plain(box, "rekey", "--receipt", box.path("rekeyed"))
    verify("rekeyed")
    plain(box, "epoch", "roll", "--receipt", box.path("rolled"))
    assert b"erase epoch 2" in verify("rolled").stdout
    text = box.path("gone").read_bytes()
    for i in range(0, len(text), 7):
        box.path("bad").write_bytes(text[:i] + bytes([text[i] ^ 1]) + text[i + 1:])
        verify("bad", code=OneOf(TAMPERED, USAGE))


@agent_test
def test_backup_agent__makes_one_whole_while_others_write(box):
    vault(box, "--idle", "1h")
    kept = fill(box, 20)
    stop = threading.Event()
    failed = []

    def work(number):
        try:
            while not stop.is_set():
                record = plain(box, "put", "-", "--entity", f"busy {number}", input=os.urandom(70000)).stdout
                plain(box, "update", record.decode().strip(), "-", input=os.urandom(70000))
                plain(box, "rm", record.decode().strip())
        except AssertionError as error:
            failed.append(error)

    def seal_anew():
        try:
            while not stop.is_set():
                plain(box, "rekey", "--deep")
        except AssertionError as error:
            failed.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    workers.append(threading.Thread(target=seal_anew))
    for worker in workers:
        worker.start()
    try:
        for number in range(3):
            plain(box, "key", "activate", "default", "--store", "stripe", "--arg",
                  "places=identity,assets,secrets,keys")
            plain(box, "backup", box.path(f"b{number}"))
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert not failed, failed
    for number in range(3):
        told = json.loads(restore(box, f"b{number}", f"copy{number}", "--json").stdout)
        assert told["violations"] == 0 and told["records"] >= len(kept), told
        for record, content in kept.items():
            assert box.run("--vault", box.path(f"copy{number}"), "--key-file", box.key, "get",
                           record).stdout == content


@agent_test
def test_backup_agent__killed_or_sealed_in_one_leaves_nothing(box):
    vault(box, "--idle", "1h")
    plain(box, "put", "-", input=os.urandom(40_000_000))
    before = set(os.listdir(box.dir)) | {"b"}
    for how in (signal.SIGKILL, signal.SIGTERM):
        unseal(box)
        pid = status(box)["pid"]
        making = box.start("--vault", box.vault, "backup", box.path("b"), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        killer = threading.Timer(0.15, os.kill, (pid, how))
        killer.start()
        out, err = making.communicate(timeout=120)
        killer.join()
        wait_until(lambda agent=pid: gone(agent))
        if making.returncode == 0:
            box.sherd("backup", "verify", box.path("b"))
            box.path("b").unlink()
        else:
            assert making.returncode == OneOf(FAILURE, BUSY, USAGE, 5) and err.count(b"\n") <= 2, (out, err)
            assert not box.path("b").exists()
        assert set(os.listdir(box.dir)) <= before
    unseal(box)
    plain(box, "backup", box.path("b"))
    box.sherd("backup", "verify", box.path("b"))


@agent_test
def test_backup_agent__nothing_is_recovered_under_it(box):
    vault(box)
    box.put(b"something")
    box.sherd("backup", box.path("b"))
    unseal(box)
    shutil.rmtree(box.vault / "anchor" / "seals")
    box.fails("recover", box.vault, box.path("b"), code=BUSY, says="sherd seal")
    plain(box, "seal")
    box.sherd("recover", box.vault, box.path("b"))
    box.sherd("verify")


def spread(box):
    """A vault with people's shares for a seal beside the key file's, whose master keys are in three kinds of places."""
    box.init()
    box.sherd("seals", "add", "--shares", "3", "--threshold", "2", "--holders", "anna,bert,carl", "--shares-out",
              box.path("shares"))
    box.sherd("key", "activate", "wide", "--store", "stripe", "--arg", "places=identity,assets,secrets,keys")
    stripes = box.path("stripes")
    places = [box.path(f"place{i}") for i in range(3)]
    box.sherd("key", "activate", "far", "--store", "stripe", "--arg", f"places=secrets,lmdb:{stripes}")
    where = ",".join(f"lmdb:{place}" for place in places)
    box.sherd("key", "activate", "shared", "--store", "shares", "--arg", f"places={where}", "--arg", "threshold=2")
    records = {}
    for name in ("wide", "far", "shared"):
        box.sherd("collection", "create", name, "--master-key", name)
        box.sherd("collection", "create", f"{name}-derived", "--master-key", name, "--entity-keys", "derived")
        for collection in (name, f"{name}-derived"):
            content = f"in {collection}".encode()
            records[box.put(content, "--collection", collection, "--entity", "pat")] = content
    return records, stripes, places


def test_backup_keys__spread_over_compartments_come_back_and_those_outside_are_needed(box):
    records, stripes, places = spread(box)
    box.sherd("backup", box.path("b"))
    shutil.rmtree(places[2])  # of the shares two are enough
    by_shares = ["--share-file", box.path("shares/share-1-anna.txt"), "--share-file",
                 box.path("shares/share-3-carl.txt")]
    box.run("--vault", box.vault, *by_shares, "restore", box.path("b"), box.path("copy"))
    for record, content in records.items():
        assert box.run("--vault", box.path("copy"), *by_shares, "get", record).stdout == content
    keys = json.loads(box.run("--vault", box.path("copy"), "--key-file", box.key, "key", "list", "--json").stdout)
    assert keys == box.json("key", "list")
    box.run("--vault", box.path("copy"), "--key-file", box.key, "verify")
    shutil.rmtree(box.path("copy"))
    stripes.rename(box.path("away"))  # lost, as by a fire that left the backup
    done = box.run("--vault", box.vault, "--key-file", box.key, "restore", box.path("b"), box.path("copy"),
                   code=OneOf(FAILURE, TAMPERED))
    box.one_line(done, str(stripes))
    assert not box.path("copy").exists()
    shutil.copytree(box.path("away"), stripes)  # a copy of that place is what brings them back
    box.sherd("restore", box.path("b"), box.path("copy"))
    for record, content in records.items():
        assert box.run("--vault", box.path("copy"), "--key-file", box.key, "get", record).stdout == content


def test_backup_keys__of_a_refreshed_backup_are_there_too(box):
    records, _, _ = spread(box)
    gone_record = box.put(b"to be deleted")
    box.sherd("backup", box.path("old"), "--epoch-key", box.path("epoch"))
    box.sherd("rm", gone_record)
    box.sherd("epoch", "roll")
    box.sherd("backup", "refresh", box.path("old"), box.path("new"), "--epoch-key", box.path("epoch"))
    box.sherd("restore", box.path("new"), box.path("copy"))
    for record, content in records.items():
        assert box.run("--vault", box.path("copy"), "--key-file", box.key, "get", record).stdout == content
        assert box.get(record) == content  # parts outside serve both
    box.run("--vault", box.path("copy"), "--key-file", box.key, "get", gone_record, code=NOT_FOUND)


if __name__ == "__main__":
    main(globals())
