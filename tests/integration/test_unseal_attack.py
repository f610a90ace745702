#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Unsealing share by share while strangers give bad shares and tell the agent to seal. How long that takes is measured
in bench/bench_unseal.py; here is what comes of it."""
import os
import shutil
import signal
import time

from harness import DENIED, OK, main
from strangers import BUSY, REFUSED, Caller, Stranger, socket_of, spoiled
from test_cli_agent import agent_test, gone, plain, reachable, status, wait_until

STRANGERS = [65534, 60001, 60002, 60003]
OPERATOR = 60010
BAD_SHARES, CANCELS = 10000, 1000
FREE_FAILURES = 3


def shares_of(box, vault, folder):
    """Make a vault that three of five shares open. @return the files of its shares"""
    box.run("--vault", vault, "init", "--shares", "5", "--threshold", "3", "--shares-out", folder)
    return sorted(folder.iterdir())


def as_operator(box, *args):
    def become():
        os.setgroups([])
        os.setresgid(OPERATOR, OPERATOR, OPERATOR)
        os.setresuid(OPERATOR, OPERATOR, OPERATOR)
    return box.run("--vault", box.vault, *args, preexec_fn=become, start_new_session=True)


def until(strangers, verb, count):
    while sum(stranger.calls(verb) for stranger in strangers) < count:
        for stranger in strangers:
            assert stranger.hear(), "a stranger has ended"


@agent_test
def test_unseal_attack__ends_nothing_and_delays_nobody(box):
    if not reachable(box):
        return
    box.env.pop("XDG_RUNTIME_DIR", None)
    files = shares_of(box, box.vault, box.dir / "shares")
    others = shares_of(box, box.dir / "other", box.dir / "others")
    theirs = shutil.copy(files[1], box.dir / "theirs")
    os.chown(theirs, OPERATOR, OPERATOR)
    # refused for its text, for its set, for the one that is there already, for its checksum
    bad = [b"wrong", others[0].read_bytes(), files[0].read_bytes()]
    bad += [spoiled(files[2].read_bytes(), at) for at in range(-20, -2)]
    assert b"1 of 3 shares" in plain(box, "unseal", "--operators", "--share-file", files[0]).stdout
    pid = status(box)["pid"]
    begun = time.monotonic()
    strangers = [Stranger(socket_of(box.vault), uid, bad, BAD_SHARES // CANCELS) for uid in STRANGERS]
    try:
        until(strangers, "share", BAD_SHARES // 4)
        # Whoever has a pause is refused: that each operator is served at his first call says that he has none.
        assert b"2 of 3 shares" in as_operator(box, "unseal", "--share-file", theirs).stdout
        until(strangers, "share", BAD_SHARES)
        until(strangers, "seal", CANCELS)
        assert status(box)["shares"] == [{"seal": 1, "given": 2, "needed": 3, "count": 5}]
        assert plain(box, "unseal", "--share-file", files[2]).stdout.endswith(b"unsealed\n")
        assert [stranger.end() for stranger in strangers] == [0] * len(strangers)
    finally:
        for stranger in strangers:
            stranger.close()
    seconds = time.monotonic() - begun
    for stranger in strangers:
        counts = stranger.counts
        assert {of for of, told in counts if told == OK} == set(), counts  # not one of them was accepted
        assert {told for of, told in counts if of == "seal"} == {REFUSED}, counts
        looked_at = stranger.calls("share") - counts["share", BUSY]
        assert looked_at <= FREE_FAILURES + 1 + seconds, (counts, seconds)  # a pause is a second or more
        assert looked_at > FREE_FAILURES
    assert status(box)["unsealed"] and status(box)["pid"] == pid
    record = plain(box, "put", "-", input=b"by shares").stdout.decode().strip()
    assert plain(box, "get", record).stdout == b"by shares"


@agent_test
def test_unseal_attack__on_one_without_shares_is_slowed_too(box):
    """Each share costs a look at the seals, also where none is by shares."""
    if not reachable(box):
        return
    box.env.pop("XDG_RUNTIME_DIR", None)
    others = shares_of(box, box.dir / "other", box.dir / "others")
    box.init()
    box.run("keygen", box.path("wrong.key"))
    box.run("--vault", box.vault, "--key-file", box.path("wrong.key"), "unseal", "--operators", code=DENIED)
    stranger = Stranger(socket_of(box.vault), STRANGERS[0], [others[0].read_bytes()])
    try:
        until([stranger], "share", 500)
        assert box.sherd("unseal").stdout == b"unsealed\n"
        assert stranger.end() == 0
    finally:
        stranger.close()
    assert stranger.counts["share", BUSY] > 400, stranger.counts


@agent_test
def test_unseal_attack__keeps_no_agent_alive(box):
    """What strangers give to an agent that is unsealed does not count as use: the idle limit holds."""
    if not reachable(box):
        return
    box.env.pop("XDG_RUNTIME_DIR", None)
    box.init()
    box.sherd("unseal", "--operators", "--idle", "1s")
    pid = status(box)["pid"]
    ready, begun = os.pipe()
    stranger = os.fork()
    if stranger == 0:
        os.setresuid(STRANGERS[0], STRANGERS[0], STRANGERS[0])
        caller = Caller(socket_of(box.vault))
        try:
            while True:
                told = caller.give(b"wrong")
                os.write(begun, b"u" if told == (OK, True) else b"x")
                time.sleep(0.05)
        except OSError:
            os._exit(0)
    os.close(begun)
    try:
        wait_until(lambda: gone(pid), 15)
    finally:
        os.kill(stranger, signal.SIGKILL)
        os.waitpid(stranger, 0)
    told = os.read(ready, 65536)
    assert len(told) > 5 and set(told) == {ord("u")}, told


if __name__ == "__main__":
    main(globals())
