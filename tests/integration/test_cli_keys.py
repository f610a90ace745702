#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Master keys, entities, rekeying and erase epochs, through the command."""
import json
import shutil
import threading

from harness import BUSY, CONFLICT, NOT_FOUND, OK, USAGE, OneOf, main


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
    assert [(key["name"], key["version"], key["wraps"]) for key in keys] == [("default", 1, True), ("hash", 1, True)]
    assert {key["generator"] for key in keys} == {"openssl"} and {key["store"] for key in keys} == {"anchor"}
    assert len({key["kid"] for key in keys}) == 2


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


def test_cli_key__rotates_the_hash_key(box):
    records = fill(box)
    box.sherd("key", "activate", "hash")
    again = box.put(b"record 12", "--entity", "patient-0")
    records["patient-0"].append(again)
    assert len(box.json("entity", "list")["entities"]) == 3
    box.sherd("rekey")
    box.sherd("key", "retire", "hash", "1")
    box.sherd("key", "destroy", "hash", "1")
    records["patient-1"].append(box.put(b"record 13", "--entity", "patient-1"))
    assert len(box.json("entity", "list")["entities"]) == 3
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
            (["key", "retire", "absent", "1"], NOT_FOUND), (["key", "destroy", "default", "1"], CONFLICT),
            (["key", "show", "absent"], NOT_FOUND), (["key", "list", "--store", "anchor"], USAGE),
            (["entity", "erase"], USAGE), (["entity", "erase", "nobody"], NOT_FOUND),
            (["entity", "show", "nobody"], NOT_FOUND), (["entity", "list", "--collection", "absent"], NOT_FOUND),
            (["rekey", "--entity", "nobody"], NOT_FOUND), (["rekey", "--all", "--entity", "x"], USAGE),
            (["rekey", "--rate", "0"], USAGE), (["epoch"], USAGE), (["epoch", "unroll"], USAGE),
            (["collection", "create", "x", "--entity-keys", "none"], USAGE)]:
        box.fails(*args, code=code)


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
