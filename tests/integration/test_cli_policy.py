#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Policies of keys, floors, rotation of what is due by command and by the agent, and receipts of what was destroyed."""
import json
import os
import signal
import subprocess
import time

from harness import BUSY, CONFLICT, DENIED, FAILURE, NOT_FOUND, OK, USAGE, OneOf, main


def policy(box, name):
    return box.json("key", "policy", name)["policies"][0]


def versions(box, name):
    return {key["version"]: key["state"] for key in box.json("key", "list", name)["keys"]}


def steps(done):
    return [(step["action"], step["name"], step["version"]) for step in done["steps"]]


def entities(box, count):
    return {box.put(b"of %d" % i, "--entity", f"entity-{i}"): b"of %d" % i for i in range(count)}


def check(box, records):
    for record, content in records.items():
        assert box.get(record) == content
    box.sherd("verify")


def test_cli_policy__sets_and_shows_field_by_field(box):
    box.init()
    assert box.text("key", "policy") == "nothing is ruled of any key"
    assert box.json("key", "policy")["policies"] == []
    nothing = {"name": "default", "max_age_s": None, "max_wraps": None, "max_entities": None, "schedule": None,
               "limit": None, "floor": None, "destroy_old": False, "version": 1, "due": None}
    assert policy(box, "default") == nothing
    box.sherd("key", "policy", "default", "--max-age", "90d", "--schedule", "weekly:sun@03:00")
    assert policy(box, "default") == {**nothing, "max_age_s": 7776000, "schedule": "weekly:sun@03:00"}
    box.sherd("key", "policy", "default", "--max-wraps", "1000", "--max-entities", "20", "--limit", "5000",
              "--destroy-old", "yes")
    box.sherd("key", "policy", "default", "--schedule", "daily@23:59", "--max-entities", "none")
    box.sherd("key", "floor", "default", "1")
    said = {**nothing, "max_age_s": 7776000, "schedule": "daily@23:59", "max_wraps": 1000, "limit": 5000,
            "destroy_old": True, "floor": 1}
    assert policy(box, "default") == said
    text = box.text("key", "policy")
    for line in ("at an age of 90d", "after 1000 keys", "daily@23:59, UTC", "5000 keys", "version 1", "destroyed when"):
        assert line in text, (line, text)
    box.sherd("key", "policy", "store:keys", "--max-age", "12h")
    assert [one["name"] for one in box.json("key", "policy")["policies"]] == ["default", "store:keys"]
    box.sherd("key", "policy", "default", "--none")
    assert policy(box, "default") == {**nothing, "floor": 1}  # which is a decision of its own
    box.sherd("key", "policy", "store:keys", "--max-age", "none")
    assert [one["name"] for one in box.json("key", "policy")["policies"]] == ["default"]
    assert box.sherd("key", "policy", "default", "--limit", "7", "--quiet").stdout == b""


def test_cli_policy__wrong_words_are_one_line(box):
    box.init()
    for args, code, says in [
            (["policy", "--max-age", "90d"], USAGE, "NAME"), (["policy", "default", "x"], USAGE, "one name"),
            (["policy", "default", "--max-age", "90"], USAGE, "90d"),
            (["policy", "default", "--max-age", "0d"], USAGE, "--max-age"),
            (["policy", "default", "--max-age", "-1d"], USAGE, "--max-age"),
            (["policy", "default", "--max-wraps", "0"], USAGE, "--max-wraps"),
            (["policy", "default", "--max-wraps", "4294967297"], USAGE, "--max-wraps"),
            (["policy", "default", "--max-entities", "many"], USAGE, "--max-entities"),
            (["policy", "default", "--limit", "1e9"], USAGE, "--limit"),
            (["policy", "default", "--schedule", "daily"], USAGE, "daily@HH:MM"),
            (["policy", "default", "--schedule", "daily@24:00"], USAGE, "--schedule"),
            (["policy", "default", "--schedule", "weekly:someday@03:00"], USAGE, "--schedule"),
            (["policy", "default", "--schedule", "monthly:1@03:00"], USAGE, "--schedule"),
            (["policy", "default", "--destroy-old", "maybe"], USAGE, "yes or no"),
            (["policy", "default", "--none", "--limit", "3"], USAGE, "--none"),
            (["policy", "default", "--lower"], USAGE, "key floor"),
            (["policy", "nope", "--max-age", "1d"], NOT_FOUND, "nope"),
            (["policy", "nope"], NOT_FOUND, "no such key"),
            (["policy", "Nope", "--max-age", "1d"], USAGE, "policy"),
            (["policy", "store:assets", "--max-wraps", "3"], USAGE, "store key"),
            (["policy", "store:nothing", "--max-age", "1d"], USAGE, "store key"),
            (["policy", "hash", "--limit", "3"], USAGE, "hash"),
            (["floor"], USAGE, "floor NAME"), (["floor", "default", "x"], USAGE, "version"),
            (["floor", "default", "2"], USAGE, "above version 1"), (["floor", "default", "--lower"], USAGE, "--lower"),
            (["floor", "store:assets", "1"], USAGE, "store key"), (["floor", "nope", "1"], NOT_FOUND, "nope"),
            (["floor", "default", "1", "--max-age", "1d"], USAGE, "key policy"),
            (["list", "--max-age", "1d"], USAGE, "key policy"),
            (["retire", "default", "1", "--receipt", "r"], USAGE, "key destroy")]:
        box.fails("key", *args, code=code, says=says)
    for args, says in [(["--dry-run"], "--due"), (["--due", "--deep"], "--due"), (["--due", "--entity", "x"], "--due"),
                       (["--due", "--dry-run", "--receipt", "r"], "--receipt"), (["--due", "--rate", "0"], "--rate")]:
        box.fails("rekey", *args, code=USAGE, says=says)
    for args, code in [(["destroyed"], USAGE), (["destroyed", "default"], USAGE),
                       (["destroyed", "default", "x"], USAGE), (["destroyed", "default", "1"], CONFLICT),
                       (["destroyed", "default", "2"], NOT_FOUND),
                       (["verify", "r", "--output", "x"], USAGE), (["verify", "a", "b"], USAGE),
                       (["destroyed", "default", "1", "--record", "x"], USAGE)]:
        box.fails("receipt", *args, code=code)
    assert box.json("key", "policy")["policies"] == []
    assert not box.path("r").exists()


def test_cli_policy__is_the_owner_s(box):
    box.init()
    box.run("keygen", "--pair", "-o", "anna.key", "-q")
    box.sherd("user", "create", "anna", "--public-key", "anna.key.pub")
    anna = ["--user", "anna", "--user-key", "anna.key"]
    for args in (["key", "policy"], ["key", "policy", "default", "--max-age", "1d"], ["key", "floor", "default", "1"],
                 ["rekey", "--due"], ["receipt", "destroyed", "default", "1"]):
        box.fails(*anna, *args, code=DENIED, says="owner")
    assert box.json("key", "policy")["policies"] == []


def test_cli_policy__a_floor_is_raised_with_care_and_lowered_by_word(box):
    box.init()
    records = entities(box, 2)
    box.sherd("key", "activate", "default")
    box.fails("key", "floor", "default", "2", code=CONFLICT, says="rekey")
    box.sherd("rekey")
    assert "below 2" in box.text("key", "floor", "default", "2")
    assert box.json("key", "floor", "default") == {"name": "default", "floor": 2}
    check(box, records)
    box.fails("key", "floor", "default", "1", code=DENIED, says="--lower")
    box.fails("key", "floor", "default", "0", code=DENIED, says="--lower")
    box.fails("key", "retire", "default", "2", code=CONFLICT, says="floor")
    assert "no floor" in box.text("key", "floor", "default", "0", "--lower")
    check(box, records)


def test_cli_policy__rotates_what_is_due_and_says_why(box):
    box.init()
    records = entities(box, 3)
    assert box.text("rekey", "--due") == "nothing is due"
    box.sherd("key", "policy", "default", "--max-age", "1s", "--destroy-old", "yes")
    box.sherd("key", "policy", "store:assets", "--max-age", "1s")
    time.sleep(1.1)
    assert {key["name"]: key["due"] for key in box.json("key", "list")["keys"]} == {
        "default": "age", "hash": None, "store:identity": None, "store:assets": "age", "store:secrets": None,
        "store:keys": None, "epoch:erase": None}
    assert "due: age" in box.text("key", "list", "default")
    assert "by age: `sherd rekey --due`" in box.text("key", "show", "default")
    assert "due now" in box.text("key", "policy", "default")
    assert "would activate version 2 of default" in box.text("rekey", "--due", "--dry-run")
    assert versions(box, "default") == {1: "wraps"}
    wished = [("activate", "default", 2), ("activate", "store:assets", 2), ("rekey", None, None),
              ("retire", "default", 1), ("destroy", "default", 1)]
    assert steps(box.json("rekey", "--due", "-n")) == wished + [("destroy", "store:assets", 1)]
    done = box.json("rekey", "--due", "--receipt", "r")
    assert steps(done) == wished and done["entities"] == 3 and done["resealed"] > 0, done
    assert {step["why"] for step in done["steps"]} == {"age", None}
    assert (versions(box, "default"), versions(box, "store:assets")) == ({2: "wraps"}, {2: "wraps"})
    check(box, records)
    box.path("pub").write_text(box.json("info")["public_key"], encoding="utf-8")
    assert box.json("receipt", "verify", "r", "--public-key", "pub")["items"] == 1
    assert box.text("receipt", "destroyed", "default", "1", "-o", "gone") == ""
    box.sherd("receipt", "destroyed", "store:assets", "1", "-o", "gone-too")
    box.fails("receipt", "destroyed", "default", "1", "-o", "gone", code=CONFLICT, says="already")
    for name in ("gone", "gone-too"):
        told = box.json("receipt", "verify", name, "--public-key", "pub")
        assert (told["statement"], told["items"]) == ("version of a key destroyed", 1)
    assert box.json("receipt", "destroyed", "default", "1")["receipt"].startswith("sherd.")
    time.sleep(1.1)
    text = box.text("rekey", "--due")
    assert "activated version 3 of default: the one before is due by age" in text, text
    assert "destroyed version 2 of default" in text, text


def test_cli_policy__rolls_the_erase_epoch(box):
    box.init()
    records = entities(box, 2)
    gone = box.put(b"to be gone")
    box.sherd("backup", box.path("old"))
    box.sherd("rm", gone)
    box.sherd("key", "policy", "epoch:erase", "--max-age", "1s")
    box.fails("key", "policy", "epoch:erase", "--limit", "5", code=USAGE, says="erase epoch")
    assert "older versions  destroyed" in box.text("key", "policy", "epoch:erase")
    time.sleep(1.1)
    assert steps(box.json("rekey", "--due")) == [
        ("activate", "epoch:erase", 2), ("rekey", None, None), ("destroy", "epoch:erase", 1)]
    assert versions(box, "epoch:erase") == {2: "wraps"}
    check(box, records)
    assert "expired" in box.text("backup", "list", box.path("old"))
    time.sleep(1.1)
    box.sherd("key", "activate", "epoch:erase")
    assert versions(box, "epoch:erase") == {2: "retired", 3: "wraps"}
    box.fails("key", "destroy", "epoch:erase", "2", code=CONFLICT, says="rekey")
    box.sherd("rekey")
    box.sherd("key", "destroy", "epoch:erase", "2", "--receipt", "r")
    assert "epoch" in box.text("receipt", "verify", "r")


def test_cli_policy__a_receipt_that_cannot_be_written_destroys_nothing(box):
    box.init()
    entities(box, 2)
    box.sherd("key", "policy", "default", "--max-age", "1h", "--destroy-old", "yes")
    box.sherd("key", "activate", "default")
    box.fails("rekey", "--due", "--receipt", box.path("none") / "r", code=OneOf(FAILURE, NOT_FOUND), says="none")
    assert versions(box, "default") == {1: "active", 2: "wraps"}  # nor is anything else done
    box.sherd("rekey")
    box.sherd("key", "retire", "default", "1")
    box.fails("key", "destroy", "default", "1", "--receipt", box.path("none") / "r", code=OneOf(FAILURE, NOT_FOUND))
    assert versions(box, "default") == {1: "retired", 2: "wraps"}
    box.sherd("key", "destroy", "default", "1", "--receipt", "r")
    assert b"default 1 " in box.path("r").read_bytes()
    assert "nothing refers" in box.text("receipt", "verify", "r")
    box.sherd("key", "activate", "default")
    box.fails("key", "destroy", "default", "2", "--receipt", "s", code=CONFLICT)
    assert not box.path("s").exists()
    box.sherd("key", "activate", "store:keys")
    box.fails("key", "destroy", "store:keys", "1", "--receipt", "s", code=CONFLICT, says="rekey")
    assert not box.path("s").exists()


def test_cli_policy__killed_it_goes_on(box):
    box.init()
    records = entities(box, 30)
    box.sherd("key", "policy", "default", "--max-age", "1s", "--destroy-old", "yes")
    for i in range(6):
        time.sleep(1.05)
        slow = box.start(*box.opening(), "rekey", "--due", "--rate", "60", stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
        try:
            slow.wait(0.1 + 0.15 * i)
        except subprocess.TimeoutExpired:
            slow.send_signal(signal.SIGKILL)
        slow.communicate()
        check(box, records)
    box.sherd("key", "policy", "default", "--max-age", "1h")
    before = versions(box, "default")
    box.sherd("rekey", "--due")
    assert list(versions(box, "default").values()) == ["wraps"], before
    assert box.text("rekey", "--due") == "nothing is due"
    check(box, records)


# --- the agent --------------------------------------------------------------------------------------------------------

def plain(box, *args, code=OK, **options):
    """Run the program on the vault with nothing to unseal it."""
    return box.run("--vault", box.vault, *args, code=code, start_new_session=True, **options)


def status(box):
    return json.loads(plain(box, "status", "--json").stdout)


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def agent_test(function):
    def run(box):
        box.env["XDG_RUNTIME_DIR"] = str(box.dir)
        try:
            function(box.init())
        finally:
            plain(box, "seal", code=OneOf(*range(9)))
    return run


@agent_test
def test_cli_policy__the_agent_rotates_what_is_due(box):
    records = entities(box, 3)
    box.sherd("key", "policy", "default", "--max-entities", "3", "--destroy-old", "yes")
    box.sherd("unseal")
    wait_until(lambda: status(box)["rotation"]["last"] is not None)
    rotation = status(box)["rotation"]
    assert rotation["on"] and rotation["error"] is None and rotation["last"] > 1700000000, rotation
    done = "activated default 2 (entities), rekeyed, retired default 1, destroyed default 1"
    assert rotation["what"] == done, rotation
    text = plain(box, "status").stdout.decode()
    assert "rotation     by policy, when it is due\n" in text and ": activated default 2 (entities)" in text, text
    keys = json.loads(plain(box, "key", "list", "default", "--json").stdout)["keys"]
    assert [key["version"] for key in keys] == [2], keys
    for record, content in records.items():
        assert plain(box, "get", record).stdout == content
    # everything that the command does itself, through an agent that does not
    plain(box, "seal")
    box.sherd("unseal", "--no-rotation")
    plain(box, "key", "policy", "hash", "--max-age", "1s")
    plain(box, "key", "policy", "default", "--max-age", "1s")
    time.sleep(1.1)
    done = json.loads(plain(box, "rekey", "--due", "--json").stdout)
    assert ("activate", "hash", 2) in steps(done) and ("destroy", "default", 2) in steps(done), done
    assert b"default 2 " in plain(box, "receipt", "destroyed", "default", "2").stdout
    plain(box, "key", "floor", "default", "3")
    plain(box, "key", "floor", "default", "2", code=DENIED)
    plain(box, "key", "floor", "default", "2", "--lower")
    plain(box, "verify")


@agent_test
def test_cli_policy__the_agent_leaves_it_where_it_is_told_to(box):
    entities(box, 1)
    box.sherd("key", "policy", "default", "--max-age", "1s")
    time.sleep(1.1)
    box.fails("unseal", "--rotation-rate", "0", code=USAGE, says="--rotation-rate")
    box.sherd("unseal", "--no-rotation")
    time.sleep(1)
    assert status(box)["rotation"] == {"on": False, "under_way": False, "last": None, "what": None, "error": None}
    assert "rotation     off\n" in plain(box, "status").stdout.decode()
    assert list(versions(box, "default")) == [1]


@agent_test
def test_cli_policy__the_agent_stops_at_once_and_is_not_idle_while_it_rotates(box):
    records = entities(box, 30)
    box.sherd("key", "policy", "default", "--max-age", "1h", "--destroy-old", "yes")
    box.sherd("key", "activate", "default")
    box.sherd("unseal", "--rotation-rate", "20", "--idle", "2s")
    wait_until(lambda: status(box)["rotation"]["under_way"])
    plain(box, "rekey", "--due", code=BUSY)
    pid = status(box)["pid"]
    time.sleep(3.5)
    os.kill(pid, 0)  # it is there still: a rotation is work
    begun = time.monotonic()
    plain(box, "seal")
    assert time.monotonic() - begun < 2.5  # a second, and the time that the command takes
    assert versions(box, "default") == {1: "active", 2: "wraps"}
    box.sherd("unseal", "--rotation-rate", "100000", "--idle", "2s")
    wait_until(lambda: not status(box)["agent"])  # nor does it stay awake for one that has ended
    assert versions(box, "default") == {2: "wraps"}
    check(box, records)


if __name__ == "__main__":
    main(globals())
