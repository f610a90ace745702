#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every command of docs/operations.md, in order; and backups as the program makes and refuses them."""
import os
import re
import resource
import signal
import subprocess

from harness import CONFLICT, DENIED, FAILURE, NOT_FOUND, ROOT, SANITIZER, TAMPERED, UNSUPPORTED, USAGE, OneOf, main

GUIDE = ROOT / "docs" / "operations.md"


def blocks():
    """The fenced blocks of commands."""
    return re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.M | re.S)


def test_operations__every_command_of_the_guide_runs(box):
    (box.path("bin")).mkdir()
    box.path("bin/sherd").symlink_to(box.program)
    # a command behind "!" must fail; what must not is told with its line
    script = "set -euo pipefail\nmust_fail() { if \"$@\" >/dev/null 2>&1; then exit 99; fi; }\n" + "\n".join(blocks())
    script = re.sub(r"^! ", "must_fail ", script, flags=re.M)
    assert len(blocks()) >= 15
    env = dict(box.env, PATH=f"{box.path('bin')}:{os.environ['PATH']}", XDG_RUNTIME_DIR=str(box.dir))
    script = "trap 'sherd seal >/dev/null' EXIT\n" + script  # where a command fails while the agent runs
    done = subprocess.run(["bash", "-xc", script], cwd=box.dir, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                          check=False, timeout=600)
    assert done.returncode == 0 and not SANITIZER.search(done.stderr), done.stderr.decode(errors="replace")[-4000:]
    assert b"expired" in done.stdout and b"readable" in done.stdout and b"clean" in done.stdout, done.stdout


def test_operations__all_blocks_of_commands_are_run(_box):
    fences = re.findall(r"^```(\w*)$", GUIDE.read_text(encoding="utf-8"), re.M)
    assert fences and set(fences[0::2]) == {"sh"} and set(fences[1::2]) == {""}, fences


def left(box, before):
    """Names that are there now and were not before."""
    return set(os.listdir(box.dir)) - before


def test_operations__backup_to_a_full_device_says_so(box):
    box.init().put(b"something")
    box.fails("backup", "/dev/full", code=FAILURE, says="space")


def test_operations__backup_replaces_nothing(box):
    box.init()
    box.path("there").write_bytes(b"mine")
    box.fails("backup", box.path("there"), code=CONFLICT, says="already")
    assert box.path("there").read_bytes() == b"mine"


def test_operations__a_file_that_may_not_grow_leaves_nothing(box):
    box.init()
    box.put(os.urandom(3_000_000))
    box.sherd("backup", box.path("whole"))
    before = set(os.listdir(box.dir))

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    box.fails("backup", box.path("cut"), code=FAILURE, says="large", preexec_fn=small_files)
    box.fails("restore", box.path("whole"), box.path("copy"), code=FAILURE, preexec_fn=small_files)
    assert not left(box, before)


def test_operations__refuses_what_is_no_backup(box):
    box.init()
    box.path("text").write_bytes(b"not a backup, however long this text may be" * 10)
    box.path("empty").write_bytes(b"")
    box.path("future").write_bytes(b"SHRDBKUP" + b"\0\2\0\1" + bytes(200))
    for name, code in (("text", USAGE), ("empty", USAGE), ("future", UNSUPPORTED), ("none", NOT_FOUND)):
        box.sherd("backup", "verify", box.path(name), code=code)
        box.sherd("restore", box.path(name), box.path("copy"), code=code)
        box.sherd("backup", "list", box.path(name), code=code)
        assert not box.path("copy").exists()


def test_operations__refuses_a_changed_backup_and_leaves_nothing(box):
    box.init()
    box.put(os.urandom(200_000))
    box.sherd("backup", box.path("good"))
    good = box.path("good").read_bytes()
    before = set(os.listdir(box.dir)) | {"bad"}
    for change in (good[:-1], good + b"x", good[:len(good) // 2], good[:-500] + bytes([good[-500] ^ 1]) + good[-499:]):
        box.path("bad").write_bytes(change)
        box.sherd("restore", box.path("bad"), box.path("copy"), code=TAMPERED)
        assert not left(box, before)


def test_operations__wrong_options_are_one_line(box):
    box.init()
    box.sherd("backup", box.path("b"))
    for args in (["backup"], ["backup", "list"], ["backup", "verify"], ["backup", "refresh", "x"], ["restore", "x"],
                 ["recover", "x"], ["receipt", "show", "x"], ["receipt", "verify"]):
        box.fails(*args, code=USAGE)
    box.fails("backup", "verify", box.path("b"), "--epoch-key", box.key, code=USAGE)
    box.fails("backup", "refresh", box.path("b"), box.path("c"), code=CONFLICT, says="epoch")
    box.fails("recover", box.vault, box.path("b"), code=CONFLICT, says="nothing to recover")
    box.run("keygen", box.path("other.key"))
    done = box.run("--key-file", box.path("other.key"), "restore", box.path("b"), box.path("copy"), code=DENIED)
    box.one_line(done)
    assert not box.path("copy").exists() and not box.path("c").exists()


def test_operations__a_receipt_that_is_there_stops_the_work_first(box):
    record = box.init().put(b"something")
    box.path("there").write_bytes(b"mine")
    box.fails("rm", "--receipt", box.path("there"), record, code=CONFLICT, says="already")
    assert box.get(record) == b"something"


def test_operations__json_says_the_same(box):
    record = box.init().put(b"something")
    made = box.json("backup", box.path("b"))
    assert made == box.json("backup", "verify", box.path("b"))
    listed = box.json("backup", "list", box.path("b"))["backups"][0]
    assert (listed["state"], listed["id"], listed["bytes"]) == ("readable", made["id"], made["bytes"])
    told = box.json("restore", box.path("b"), box.path("copy"))
    assert (told["records"], told["violations"]) == (1, 0)
    box.sherd("rm", "--receipt", box.path("r"), record)
    box.path("pub").write_text(box.json("info")["public_key"], encoding="utf-8")
    receipt = box.json("receipt", "verify", box.path("r"), "--public-key", box.path("pub"), "--record", record)
    assert (receipt["items"], receipt["deployment"]) == (1, made["deployment"])


def test_operations__an_interrupted_backup_leaves_nothing(box):
    box.init()
    box.put(os.urandom(30_000_000))
    before = set(os.listdir(box.dir))
    process = box.start("--vault", box.vault, "--key-file", box.key, "backup", box.path("b"), stderr=subprocess.PIPE,
                        stdout=subprocess.PIPE)
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == OneOf(0, -signal.SIGTERM), process.returncode
    assert left(box, before) == ({"b"} if process.returncode == 0 else set())


if __name__ == "__main__":
    main(globals())
