#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Master keys, entities, rekeying and erase epochs, through the command."""
import hashlib
import json
import os
import re
import shutil
import threading

from harness import BUSY, CONFLICT, FAILURE, NOT_FOUND, OK, TAMPERED, USAGE, OneOf, main


STORES = ["store:identity", "store:assets", "store:secrets", "store:keys"]


def fill(box, count=12, entities=3):
    """Records of some entities: their ids by entity."""
    box.init()
    records = {}
    for i in range(count):
        entity = f"patient-{i % entities}"
        records.setdefault(entity, []).append(box.put(f"record {i}".encode(), "--entity", entity))
    return records


def check(box, records):
    for entity, ids in records.items():
        for i, record in enumerate(ids):
            assert box.get(record) == f"record {3 * i + int(entity[-1])}".encode()


def versions(box, name):
    return {key["version"]: key["state"] for key in box.json("key", "list", name)["keys"]}


def test_cli_key__lists_what_every_vault_has(box):
    box.init()
    keys = box.json("key", "list")["keys"]
    assert [(key["name"], key["version"], key["wraps"]) for key in keys] == [
        (name, 1, True) for name in ["default", "hash"] + STORES + ["epoch:erase"]]
    assert {key["generator"] for key in keys} == {"openssl"} and {key["store"] for key in keys} == {"anchor"}
    assert len({key["kid"] for key in keys[:2]}) == 2 and {key["kid"] for key in keys[2:]} == {None}
    assert "id  " not in box.text("key", "show", "store:assets") and "id  " in box.text("key", "show", "hash")


def test_cli_key__rotates_without_a_record_out_of_reach(box):
    records = fill(box)
    assert "version 2" in box.text("key", "activate", "default")
    check(box, records)
    assert {entity["master_version"] for entity in box.json("entity", "list")["entities"]} == {1}
    box.fails("key", "destroy", "default", "1", code=CONFLICT, says="retire")
    box.sherd("key", "retire", "default", "1")
    box.fails("key", "destroy", "default", "1", code=CONFLICT, says="rekey")
    assert box.json("rekey")["entities"] == 3
    assert box.json("rekey")["entities"] == 0
    assert {entity["master_version"] for entity in box.json("entity", "list")["entities"]} == {2}
    box.sherd("key", "destroy", "default", "1")
    assert versions(box, "default") == {2: "wraps"}
    check(box, records)
    box.sherd("verify")


def test_cli_rekey__tells_programs_how_far_it_is(box):
    fill(box)
    done = box.sherd("rekey", "--rate", "20", "--progress-json")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines and {line["progress"] for line in lines} == {"rekey"}, done.stderr
    assert [line["done"] for line in lines] == sorted(line["done"] for line in lines)
    assert all(line["seconds"] >= 1 and line["total"] >= line["done"] for line in lines)
    assert box.sherd("rekey", "--rate", "20", "--progress-json", "--quiet").stderr == b""


def test_cli_key__counts_what_master_keys_wrap(box):
    def counts():
        keys = box.json("key", "list")["keys"]
        return {(key["name"], key["version"]): (key["wraps_counted"], key["entities_counted"]) for key in keys
                if key["limit"] is not None}

    box.init()
    assert counts() == {("default", 1): (0, 0)}
    assert {key["limit"] for key in box.json("key", "list", "default")["keys"]} == {2 ** 32}
    for count in range(1, 4):
        box.put(b"x", "--entity", f"patient-{count}")
        box.put(b"y", "--entity", f"patient-{count}")
        assert counts() == {("default", 1): (count, count)}
    assert "wraps counted   3 of 4294967296, for 3 new entities" in box.text("key", "show", "default")
    assert ", 3 wraps" in box.text("key", "list", "default") and "wraps" in box.text("key", "list", "hash")
    box.sherd("key", "activate", "default")
    box.sherd("rekey")
    assert counts() == {("default", 1): (3, 3), ("default", 2): (3, 0)}
    assert "counted" not in box.text("key", "show", "hash")
    assert box.json("verify")["summary"]["refused"] == 0


def test_cli_key__rotates_the_hash_key(box):
    records = fill(box)
    box.sherd("key", "activate", "hash")
    again = box.put(b"record 12", "--entity", "patient-0")
    records["patient-0"].append(again)
    assert len(box.json("entity", "list")["entities"]) == 3
    box.sherd("rekey")
    assert versions(box, "hash") == {2: "wraps"}
    records["patient-1"].append(box.put(b"record 13", "--entity", "patient-1"))
    assert len(box.json("entity", "list")["entities"]) == 3
    check(box, records)
    box.sherd("verify")


def test_cli_key__rotates_store_keys_while_others_write(box):
    records = fill(box)
    written = []
    stop = threading.Event()

    def write():
        while not stop.is_set():
            written.append(box.put(b"while", "--entity", "patient-0"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for version in (2, 3):
            for name in STORES:
                assert f"version {version}" in box.text("key", "activate", name)
            slow = box.start("--vault", box.vault, "--key-file", box.key, "rekey", "--rate", "200")
            box.fails("key", "destroy", "store:assets", str(version), code=CONFLICT, says="seals")
            slow.kill()
            slow.wait()
            assert box.json("rekey", "--all")["resealed"] > 0
            for name in STORES:
                assert versions(box, name) == {version: "wraps"}
            check(box, records)
    finally:
        stop.set()
        writer.join()
    check(box, records)
    for record in written:
        assert box.get(record) == b"while"
    box.sherd("verify")
    assert box.json("rekey")["resealed"] == 0


def test_cli_key__ends_store_keys_by_hand_when_nothing_refers_to_them(box):
    records = fill(box)
    box.sherd("key", "activate", "store:secrets")
    assert versions(box, "store:secrets") == {1: "retired", 2: "wraps"}
    box.sherd("key", "retire", "store:secrets", "1")
    box.fails("key", "destroy", "store:secrets", "1", code=CONFLICT, says="rekey")
    box.sherd("rekey", "--entity", "patient-0")
    box.fails("key", "destroy", "store:secrets", "1", code=CONFLICT, says="rekey")
    box.sherd("rekey")
    box.fails("key", "destroy", "store:secrets", "1", code=NOT_FOUND)
    check(box, records)
    box.sherd("verify")


def test_cli_key__keeps_a_key_in_stripes_and_names_a_lost_one(box):
    records = fill(box)
    box.sherd("key", "activate", "default", "--store", "stripe", "--arg", "places=identity,assets,secrets,keys")
    assert box.json("key", "show", "default", "2")["keys"][0]["store"] == "stripe"
    box.sherd("rekey")
    check(box, records)
    box.sherd("sweep")
    check(box, records)
    box.sherd("verify")
    box.sherd("key", "activate", "default")
    box.sherd("rekey")
    box.sherd("key", "retire", "default", "2")
    box.sherd("key", "destroy", "default", "2")
    check(box, records)
    box.sherd("verify")


def test_cli_key__keeps_a_key_in_shares_of_which_some_are_enough(box):
    records = fill(box)
    places = [box.path(f"place{i}") for i in range(3)]
    for place in places:
        place.mkdir()
    where = ",".join(f"lmdb:{place}/store" for place in places)
    box.sherd("key", "activate", "default", "--store", "shares", "--arg", f"places={where}", "--arg", "threshold=2")
    box.sherd("rekey")
    check(box, records)
    shutil.rmtree(places[1])
    check(box, records)
    shutil.rmtree(places[2])
    box.fails("get", records["patient-0"][0], code=OneOf(1, 3), says="share")


def test_cli_key__mistakes_are_one_clear_line(box):
    box.init()
    for args, code in [
            (["key"], USAGE), (["key", "activate"], USAGE), (["key", "make", "x"], USAGE),
            (["key", "activate", "Upper"], USAGE), (["key", "activate", "x", "--generator", "dice"], 8),
            (["key", "activate", "x", "--store", "cloud"], 8), (["key", "activate", "x", "--arg", "nonsense"], USAGE),
            (["key", "activate", "x", "--arg", "places=keys"], USAGE),
            (["key", "activate", "x", "--store", "stripe", "--arg", "places=nowhere"], USAGE),
            (["key", "retire", "default"], USAGE), (["key", "retire", "default", "0"], USAGE),
            (["key", "retire", "default", "9"], NOT_FOUND), (["key", "retire", "default", "1"], CONFLICT),
            (["key", "activate", "store:nowhere"], NOT_FOUND), (["key", "show", "store:nowhere"], NOT_FOUND),
            (["key", "activate", "store:keys", "--store", "stripe"], USAGE),
            (["key", "retire", "store:keys", "1"], CONFLICT), (["key", "destroy", "store:keys", "2"], NOT_FOUND),
            (["key", "retire", "absent", "1"], NOT_FOUND), (["key", "destroy", "default", "1"], CONFLICT),
            (["key", "show", "absent"], NOT_FOUND), (["key", "list", "--store", "anchor"], USAGE),
            (["entity", "erase"], USAGE), (["entity", "erase", "nobody"], NOT_FOUND),
            (["entity", "show", "nobody"], NOT_FOUND), (["entity", "list", "--collection", "absent"], NOT_FOUND),
            (["rekey", "--entity", "nobody"], NOT_FOUND), (["rekey", "--all", "--entity", "x"], USAGE),
            (["rekey", "--rate", "0"], USAGE), (["epoch"], USAGE), (["epoch", "unroll"], USAGE),
            (["collection", "create", "x", "--entity-keys", "none"], USAGE)]:
        box.fails(*args, code=code)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_cli_entity_export__gives_out_all_that_is_kept(box):
    """Each kept version of each record of that entity, and of no other, with what it is."""
    box.init()
    box.sherd("collection", "create", "kept", "--versions-kept", "2")
    own = ["--collection", "kept", "--entity", "pat/../x"]
    contents = {}
    one = box.put(b"first", *own, "--attr", "name=letter", "--type", "text/plain")
    for version, content in [(2, b"second"), (3, b"third")]:
        box.sherd("update", one, "-", input=content)
        contents[one, version] = content
    for size in [0, 5, 3000000]:
        contents[box.put(b"x" * size, *own), 1] = b"x" * size
    box.put(b"another's", "--collection", "kept", "--entity", "kim")
    box.put(b"another's", "--entity", "pat/../x")
    told = box.json("entity", "export", "pat/../x", "out", "--collection", "kept")
    assert told == {"files": 5, "bytes": 3000016, "failed": 0}, told
    manifest = json.loads((box.path("out") / "manifest.json").read_text())
    assert (manifest["format"], manifest["complete"]) == ("sherd-entity-export-1", True)
    assert (manifest["collection"], manifest["entity"]) == ("kept", "pat/../x")
    assert manifest["deployment"] == box.json("info")["deployment"]
    found = {}
    for record in manifest["records"]:
        path = box.path("out") / record["file"]
        assert re.fullmatch(r"[0-9a-f-]{36}-v[0-9]+", record["file"]) and not record["sealed"], record
        assert record["sha256"] == sha256(path) and record["bytes"] == record["file_bytes"] == path.stat().st_size
        assert path.stat().st_mode & 0o777 == 0o600
        found[record["id"], record["version"]] = path.read_bytes()
        if record["id"] == one:
            assert record["attributes"] == {"name": "letter"} and record["type"] == "text/plain"
            assert (record["version_oldest"], record["version_current"]) == (2, 3)
    assert found == contents
    assert (box.path("out") / "manifest.json").stat().st_mode & 0o777 == 0o600
    assert box.path("out").stat().st_mode & 0o777 == 0o700
    assert len(os.listdir(box.path("out"))) == 6


def test_cli_entity_export__takes_a_directory_of_its_own(box):
    box.init()
    box.put(b"x", "--entity", "pat")
    box.path("full").mkdir()
    (box.path("full") / ".hidden").write_text("")
    box.path("file").write_text("")
    for operand in ["full", "file"]:
        box.fails("entity", "export", "pat", operand, code=CONFLICT)
    box.fails("entity", "export", "nobody", "out", code=NOT_FOUND)
    box.fails("entity", "export", "pat", "out", "--collection", "absent", code=NOT_FOUND)
    box.fails("entity", "export", "pat", "none/out", code=FAILURE)
    assert sorted(os.listdir(box.dir)) == ["file", "full", "my.key", "vault"]
    assert os.listdir(box.path("full")) == [".hidden"]
    box.path("empty").mkdir()
    assert "wrote 1 files, 1 B, and manifest.json" in box.text("entity", "export", "pat", "empty")
    box.sherd("entity", "erase", "pat")
    box.fails("entity", "export", "pat", "out", code=NOT_FOUND)


def test_cli_entity_export__of_what_is_sealed_to_somebody(box):
    """With the private key it is opened; without it goes out as it is sealed, and the manifest says so."""
    box.init()
    recipient = box.run("keygen", "--recipient", "mine", "-q").stdout.decode().strip()
    record = box.put(b"for me alone", "--to", recipient, "--entity", "pat")
    box.put(b"open", "--entity", "pat")
    for args, sealed, content in [([], True, box.get(record, "--raw")), (["-i", "mine"], False, b"for me alone")]:
        out = box.path(f"out{len(args)}")
        box.sherd("entity", "export", "pat", out, *args)
        records = {r["id"]: r for r in json.loads((out / "manifest.json").read_text())["records"]}
        assert len(records) == 2 and records[record]["sealed"] == sealed and records[record]["recipient"] == recipient
        assert (out / records[record]["file"]).read_bytes() == content
        assert (records[record]["bytes"], records[record]["file_bytes"]) == (12, len(content))


def test_cli_entity_export__goes_on_past_what_is_damaged(box):
    box.init()
    good = box.put(b"good", "--entity", "pat")
    bad = box.put(os.urandom(100000), "--entity", "pat")
    box.flip(box.blobs()[0], 5000)
    done = box.sherd("entity", "export", "pat", "out", code=TAMPERED)
    assert bad.encode() in done.stderr
    manifest = json.loads((box.path("out") / "manifest.json").read_text())
    assert manifest["complete"] is False and [record["id"] for record in manifest["records"]] == [good]
    assert sorted(os.listdir(box.path("out"))) == sorted([manifest["records"][0]["file"], "manifest.json"])


def test_cli_entity_rekey__is_short_for_rekey(box):
    box.init()
    ids = {name: box.put(name.encode(), "--entity", name) for name in ["pat", "kim"]}
    box.sherd("key", "activate", "default")
    assert box.json("entity", "rekey", "pat")["entities"] == 1
    versions = {entity["id"]: entity["master_version"] for entity in box.json("entity", "list")["entities"]}
    assert versions == {"pat": 2, "kim": 1}
    assert box.json("entity", "rekey", "pat")["entities"] == 0
    assert box.json("entity", "rekey", "kim", "--fresh-keys")["entities"] == 1
    versions = {entity["id"]: entity["key_version"] for entity in box.json("entity", "list")["entities"]}
    assert versions == {"pat": 1, "kim": 2}
    assert all(box.get(ids[name]) == name.encode() for name in ids)
    box.fails("entity", "rekey", "nobody", code=NOT_FOUND)
    box.fails("entity", "rekey", "pat", "--identity", "x", code=USAGE)
    box.fails("entity", "export", "pat", "out", "--fresh-keys", code=USAGE)
    box.fails("entity", "rekey", code=USAGE)
    box.fails("entity", "export", "pat", code=USAGE)


def test_cli_entity__derived_keys_rotate_with_the_master_key(box):
    box.init()
    box.sherd("key", "activate", "study")
    box.sherd("collection", "create", "trial", "--entity-keys", "derived", "--master-key", "study")
    record = box.put(b"x", "--collection", "trial", "--entity", "a")
    entity = box.json("entity", "list", "--collection", "trial")["entities"][0]
    assert (entity["derived"], entity["master_key"], entity["key_version"]) == (True, "study", 1)
    box.sherd("key", "activate", "study")
    box.sherd("rekey", "--collection", "trial")
    entity = box.json("entity", "list", "--collection", "trial")["entities"][0]
    assert (entity["master_version"], entity["key_version"]) == (2, 2)
    box.sherd("key", "retire", "study", "1")
    box.sherd("key", "destroy", "study", "1")
    assert box.get(record) == b"x"
    box.sherd("verify")


def test_cli_entity__erase_takes_all_of_one_and_nothing_of_others(box):
    records = fill(box, count=30)
    gone = records.pop("patient-1")
    box.sherd("entity", "erase", "patient-1")
    for record in gone:
        box.fails("get", record, code=NOT_FOUND)
        box.fails("stat", record, code=NOT_FOUND)
    assert len(box.json("ls")["records"]) == 20
    check(box, records)
    box.fails("entity", "erase", "patient-1", code=NOT_FOUND)
    box.sherd("verify")
    swept = box.json("sweep")
    assert (swept["erased_records"], swept["map_entries"], swept["fragments"]) == (10, 10, 10)
    box.sherd("verify")
    fresh = box.put(b"new", "--entity", "patient-1")
    assert box.get(fresh) == b"new"


def test_cli_epoch__rolls_and_leaves_survivors(box):
    records = fill(box)
    gone = records.pop("patient-2")
    old = box.path("old")
    shutil.copytree(box.vault, old)
    box.sherd("entity", "erase", "patient-2")
    rolled = box.json("epoch", "roll")
    assert (rolled["epoch"], rolled["entities"], rolled["records"]) == (2, 2, 8)
    check(box, records)
    box.sherd("verify")
    # An older copy of everything, with the one file that is destroyed as it is now.
    shutil.copyfile(box.vault / "anchor" / "epoch", old / "anchor" / "epoch")
    for record in gone:
        done = box.run("--vault", old, "--key-file", box.key, "get", record, code=OneOf(3, NOT_FOUND))
        assert b"record" not in done.stdout
    assert box.json("epoch", "roll")["epoch"] == 3
    check(box, records)


def test_cli_rekey__runs_beside_writers_and_is_taken_up_again(box):
    records = fill(box, count=60)
    box.sherd("key", "activate", "default")
    written = []
    stop = threading.Event()

    def write():
        while not stop.is_set():
            written.append(box.put(b"while", "--entity", "patient-0"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        slow = box.start("--vault", box.vault, "--key-file", box.key, "rekey", "--fresh-keys", "--rate", "50")
        box.run("--vault", box.vault, "--key-file", box.key, "rekey", code=OneOf(OK, BUSY))
        slow.kill()
        slow.wait()
        box.sherd("rekey", "--fresh-keys")
    finally:
        stop.set()
        writer.join()
    check(box, records)
    for record in written:
        assert box.get(record) == b"while"
    box.sherd("rekey")
    box.sherd("key", "retire", "default", "1")
    box.sherd("key", "destroy", "default", "1")
    box.sherd("verify")
    assert json.loads(box.sherd("--json", "rekey").stdout)["entities"] == 0


def test_cli_rekey__deep_encrypts_contents_anew(box):
    records = fill(box, count=20)
    stat = json.loads(box.sherd("--json", "rekey", "--deep").stdout)
    assert stat["contents"] == 20
    assert json.loads(box.sherd("--json", "rekey").stdout)["contents"] == 0
    assert "20 record versions anew" in box.sherd("rekey", "--deep").stdout.decode()
    check(box, records)
    box.sherd("verify")


if __name__ == "__main__":
    main(globals())
