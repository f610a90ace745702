#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scrubbing through the program: what is told to whom, once each; what is kept, acknowledged and healed; passes that
are killed; and the agent."""
import json
import os
import signal
import time

from harness import DENIED, FAILURE, NOT_FOUND, OK, TAMPERED, USAGE, OneOf, main

LONG = bytes(range(256)) * 400


def damage(box, count=1):
    """Records whose long contents are damaged; their ids."""
    before = set(box.blobs())
    ids = [box.put(LONG + b"%d" % i) for i in range(count)]
    for path in set(box.blobs()) - before:
        box.flip(path, 5000)
    return ids


def findings(box, *args):
    return box.json("scrub", "findings", *args)["findings"]


def hook(box, name, text, mode=0o700):
    path = box.path(name)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(mode)
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_cli_scrub__passes_and_says_so(box):
    box.init()
    box.put(b"sound")
    assert box.json("scrub", "status")["last"] is None
    assert box.json("scrub", "config")["tell"] == ["readers"]
    done = box.json("scrub")
    assert (done["open"], done["last"]["pass"], done["last"]["records"], done["lost"]) == (0, 1, 1, False)
    assert "scrubbed 1 record, 1 version" in box.text("scrub")
    assert box.text("scrub", "--quiet") == ""
    assert box.json("scrub", "status")["last"]["pass"] == 3
    assert box.text("scrub", "findings") == "no findings"


def test_cli_scrub__keeps_findings_until_they_are_acknowledged(box):
    box.init()
    record, = damage(box)
    said = box.sherd("scrub", code=TAMPERED)
    assert b"1 finding is open" in said.stderr and record.encode() in said.stdout
    box.sherd("scrub", code=TAMPERED)
    found, = findings(box)
    assert (found["record"], found["kind"], found["count"], found["acknowledged"]) == (record, "fragment", 2, None)
    assert record in box.text("scrub", "findings")
    box.fails("scrub", "acknowledge", "00" * 16, code=NOT_FOUND, says="no such finding")
    box.fails("scrub", "acknowledge", "xyz", code=USAGE, says="no finding's id")
    box.fails("scrub", "acknowledge", code=USAGE, says="say which finding")
    assert box.json("scrub", "acknowledge", found["finding"], "--note", "disk of Tuesday")["acknowledged"] == 1
    assert findings(box) == []
    known, = findings(box, "--all")
    assert known["note"] == "disk of Tuesday" and f"uid {os.getuid()}" in known["by"]
    box.sherd("scrub")
    box.flip(box.blobs()[0], 5000)  # back as it was
    assert box.json("scrub")["acknowledged"] == 0
    assert findings(box, "--all") == []


def test_cli_scrub__tells_each_once(box):
    box.init()
    told, heard = box.path("told.jsonl"), box.path("heard.jsonl")
    script = hook(box, "hook", f'test "$1" = finding || exit 1\nenv > {box.path("env")}\ncat >> {heard}\n')
    rules = [f"admin:file:{told}", f"auditor:command:{script}", "readers"]
    set_to = box.json("scrub", "config", *[word for rule in rules for word in ("--tell", rule)])
    assert set_to["tell"] == rules == box.json("scrub", "config")["tell"]
    ids = damage(box, 3)
    for _ in range(2):
        box.sherd("scrub", code=TAMPERED)
        assert sorted(line["record"] for line in lines(told)) == sorted(ids)
        assert sorted(line["record"] for line in lines(heard)) == sorted(ids)
    assert {line["told"] for line in lines(told)} == {"admin"}
    assert {line["told"] for line in lines(heard)} == {"auditor"}
    assert os.stat(told).st_mode & 0o777 == 0o600
    environment = box.path("env").read_text()
    assert "SHERD" not in environment and "HOME" not in environment
    more = damage(box)
    box.sherd("scrub", code=TAMPERED)
    assert [line["record"] for line in lines(told)][3:] == more
    box.sherd("scrub", "config", "--tell", "none")
    assert box.json("scrub", "config")["tell"] == []


def test_cli_scrub__runs_few_commands_for_many_findings(box):
    box.init()
    heard = box.path("heard.jsonl")
    script = hook(box, "hook", f"cat >> {heard}\n")
    box.sherd("scrub", "config", "--tell", f"admin:command:{script}")
    damage(box, 40)
    box.sherd("scrub", code=TAMPERED)
    assert len(lines(heard)) <= 2 * 17 - 1  # in the middle of the pass, and at its end
    assert lines(heard)[-1]["more"] >= 5
    assert sum(1 if "record" in line else line["more"] for line in lines(heard)) == 40


def test_cli_scrub__runs_no_command_that_others_could_write(box):
    box.init()
    heard = box.path("heard.jsonl")
    damage(box)
    script = hook(box, "hook", f"cat >> {heard}\n", mode=0o722)
    box.sherd("scrub", "config", "--tell", f"admin:command:{script}")
    assert b"nobody was told" in box.sherd("scrub", code=TAMPERED).stderr
    assert lines(heard) == []
    script.chmod(0o700)
    box.sherd("scrub", code=TAMPERED)  # what failed is tried again
    assert len(lines(heard)) == 1


def test_cli_scrub__waits_for_no_command_for_ever(box):
    box.init()
    damage(box)
    script = hook(box, "hook", "sleep 1000 &\nsleep 1000\n")
    box.sherd("scrub", "config", "--tell", f"admin:command:{script}")
    began = time.monotonic()
    assert b"took too long" in box.sherd("scrub", code=TAMPERED).stderr
    assert time.monotonic() - began < 60


def test_cli_scrub__survives_a_full_disk(box):
    box.init()
    damage(box)
    box.sherd("scrub", "config", "--tell", "admin:file:/dev/full")
    assert b"nobody was told by admin:file:/dev/full" in box.sherd("scrub", code=TAMPERED).stderr
    assert len(findings(box)) == 1


def test_cli_scrub__refuses_rules_that_are_none(box):
    box.init()
    for rule in ["admin", "admin:file:relative", "admin:command", "readers:file:/tmp/x", "nobody:syslog",
                 "admin:syslog:/x", "first:syslog", "admin:file:/" + "a" * 300, f"admin:file:{box.vault}/anchor/x"]:
        box.fails("scrub", "config", "--tell", rule, code=USAGE, says="--tell")
    box.fails("scrub", "findings", "--note", "x", code=USAGE)
    box.fails("scrub", "what", code=USAGE)


def test_cli_scrub__tells_readers(box):
    box.init()
    box.sherd("collection", "create", "all", "--versions-kept", "0")
    record = box.put(LONG, "--collection", "all")
    damaged = box.blobs()[0]
    box.sherd("update", record, "-", input=b"newer")
    other = box.put(b"other")
    box.sherd("scrub", "config", "--tell", "readers", "--tell", "first")
    box.flip(damaged, 5000)
    box.sherd("scrub", code=TAMPERED)
    first = box.sherd("get", other)
    assert b"you are the first" in first.stderr and first.stdout == b"other"
    assert box.sherd("get", other).stderr == b""
    for _ in range(2):
        said = box.sherd("get", record)
        assert b"found this record damaged" in said.stderr and said.stdout == b"newer"
    assert box.json("get", record, "-o", box.path("out"))["found"] is True
    box.sherd("scrub", "acknowledge", "--all")
    assert box.sherd("get", record).stderr == b""
    box.sherd("get", record, "--version", "1", code=TAMPERED)


def test_cli_scrub__verifies_later_and_says_so(box):
    box.init()
    assert box.json("collection", "create", "later", "--verify", "async")["verification"] == "asynchronous"
    record = box.put(b"contents", "--collection", "later")
    said = box.sherd("get", record)
    assert said.stdout == b"contents" and b"not yet verified by the scrubber" in said.stderr
    answer = box.json("get", record, "-o", box.path("out"))
    assert answer["deferred"] is True and answer["verified"] is None
    stat = box.json("stat", record)
    assert stat["verification"] == "asynchronous" and stat["verified"] is None
    assert b"asynchronously" in box.sherd("stat", record).stdout
    now = box.put(b"now")
    assert box.sherd("get", now).stderr == b""
    assert box.json("stat", now)["verification"] == "synchronous"


def test_cli_scrub__goes_on_after_a_kill(box):
    box.init()
    ids = damage(box, 12)
    for i in range(14):
        box.put(LONG + b"sound %d" % i)
    for _ in range(3):
        process = box.start(*box.opening(), "scrub", "--rate", "250000", "--quiet")
        time.sleep(1.2)
        process.kill()
        process.wait()
    assert box.json("scrub", "status")["under_way"]["pass"] == 1
    box.sherd("scrub", code=TAMPERED)
    assert sorted(found["record"] for found in findings(box)) == sorted(ids)
    assert {found["count"] for found in findings(box)} == {1}
    assert box.json("scrub", "status")["last"]["violations"] == 12


def test_cli_scrub__stops_in_order(box):
    box.init()
    for i in range(3):
        box.put(LONG + b"%d" % i)
    process = box.start(*box.opening(), "scrub", "--rate", "50000", "--progress-json", stderr=-1, stdout=-1)
    line = process.stderr.readline()
    assert b'"total"' in line, line
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == -signal.SIGINT or process.returncode == OneOf(FAILURE, 7)
    assert box.json("scrub", "status")["under_way"]["pass"] == 1
    assert box.json("scrub")["last"]["pass"] == 1


def test_cli_scrub__misses_its_book(box):
    box.init()
    box.sherd("scrub", "config", "--tell", "admin:syslog")
    os.unlink(box.vault / "anchor" / "scrub")
    assert box.json("scrub", "status")["lost"] is True
    record = box.put(b"x")
    assert b"what the scrubber found is not known" in box.sherd("get", record).stderr
    assert b"book was removed" in box.sherd("scrub", code=TAMPERED).stdout + box.sherd("scrub", "findings").stdout
    assert box.json("scrub", "config")["tell"] == ["readers"]


def test_cli_scrub__works_through_the_agent(box):
    box.init()
    env = {**box.env, "XDG_RUNTIME_DIR": str(box.dir)}
    box.sherd("unseal", "--no-scrub", env=env)
    plain = ["--vault", box.vault]

    def ask(*args, code=OK):
        return json.loads(box.run(*plain, *args, "--json", code=code, env=env).stdout)

    try:
        ids = damage(box, 40)
        ask("scrub", code=TAMPERED)
        found = ask("scrub", "findings")["findings"]
        assert sorted(each["record"] for each in found) == sorted(ids)
        status = ask("status")["scrub"]
        assert status["on"] is False and status["open"] == 40 and status["last"] > 0
        assert b"40 findings open" in box.run(*plain, "status", env=env).stdout
        assert ask("scrub", "acknowledge", "--all")["acknowledged"] == 40
        assert ask("status")["scrub"]["open"] == 0
        ask("scrub")
    finally:
        box.run(*plain, "seal", env=env)


def test_cli_scrub__is_not_for_users(box):
    box.init()
    box.path("word").write_text("a passphrase\n")
    box.path("word").chmod(0o600)
    box.sherd("user", "create", "anna", "--new-passphrase-file", box.path("word"))
    as_anna = ["--user", "anna", "--user-passphrase-file", box.path("word")]
    for command in [["scrub"], ["scrub", "findings"], ["scrub", "status"], ["scrub", "config"],
                    ["scrub", "acknowledge", "--all"]]:
        box.sherd(*command, *as_anna, code=DENIED)


if __name__ == "__main__":
    main(globals())
