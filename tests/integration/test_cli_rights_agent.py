#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Users through one agent: all that test_cli_rights.py says, with nothing that unseals; and several users at once."""
import inspect
import json
import subprocess

import test_cli_rights
from harness import DENIED, NOT_FOUND, OK, USAGE, Box, main
from test_cli_rights import rights


class AgentBox(Box):
    """A vault that an agent has unsealed: commands are given nothing to unseal it with."""

    def __init__(self, box):
        super().__init__(box.program, box.dir)
        self.env["XDG_RUNTIME_DIR"] = str(self.dir)
        self.unsealed = False

    def opening(self):
        return ["--vault", self.vault] if self.unsealed else super().opening()

    def sherd(self, *args, code=OK, **options):
        options.setdefault("start_new_session", True)  # nobody to ask
        return super().sherd(*args, code=code, **options)

    def init(self):
        super().init()
        self.sherd("unseal")
        self.unsealed = True
        return self

    def while_closed(self, change):
        self.sherd("seal")
        self.unsealed = False
        change()
        self.sherd("unseal")
        self.unsealed = True

    def status(self):
        return json.loads(self.sherd("status", "--json").stdout)


def through_agent(function):
    def run(box):
        box = AgentBox(box)
        try:
            function(box)
            if box.unsealed:
                assert box.status()["unsealed"], "the agent went away"
        finally:
            if box.unsealed:
                box.sherd("seal")
    return run


for _name, _function in list(vars(test_cli_rights).items()):
    if _name.startswith("test_") and inspect.isfunction(_function):
        globals()[_name.replace("__", "_agent__", 1)] = through_agent(_function)


def start(box, user, *args):
    return box.start(*box.opening(), "--user", user.name, "--user-key", user.key, *args, stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


@through_agent
def test_cli_rights_agent__two_users_at_once_see_what_is_theirs(box):
    alice, bob, of_alice = rights(box)
    bob.sherd("key", "create", "his")
    of_bob = bob.text("put", "-", "--key", "his", input=b"bob's")
    bare = box.put(b"of the owner")
    writing = [start(box, user, "put", "-", "--key", key) for user, key in ((alice, "pay"), (bob, "his"))]
    for one in writing:  # both are logged in, and stay so
        one.stdin.write(b"x" * 300000)
        one.stdin.flush()
    for _ in range(3):
        assert alice.sherd("get", of_alice).stdout == b"secret"
        assert bob.sherd("get", of_bob).stdout == b"bob's"
        for user, records in ((alice, (of_bob, bare)), (bob, (of_alice, bare))):
            for record in records:
                user.sherd("get", record, code=NOT_FOUND)
        assert alice.text("ls") == of_alice and bob.text("ls") == of_bob
    assert set(box.text("ls").split()) == {of_alice, of_bob, bare}
    made = [one.communicate(timeout=120)[0].decode().strip() for one in writing]
    assert [one.returncode for one in writing] == [OK, OK]
    assert set(alice.text("ls").split()) == {of_alice, made[0]}
    assert set(bob.text("ls").split()) == {of_bob, made[1]}
    alice.sherd("get", made[1], code=NOT_FOUND)
    bob.sherd("get", made[0], code=NOT_FOUND)
    alice.sherd("key", "grant", "pay", "bob", "read")
    assert bob.sherd("get", made[0]).stdout == b"x" * 300000
    assert "clean" in box.text("verify")


@through_agent
def test_cli_rights_agent__who_is_not_let_in_is_not_asked_to_unseal(box):
    alice, bob, _ = rights(box)
    for user, key in (("alice", bob.key), ("nobody", alice.key)):
        done = box.sherd("--user", user, "--user-key", key, "ls", code=DENIED)
        box.one_line(done)
    for command in ("seal", "unseal"):
        box.one_line(alice.sherd(command, code=USAGE), "its owner")
    box.sherd("seal")
    box.unsealed = False
    done = box.run("--vault", box.vault, "--user", "alice", "--user-key", alice.key, "ls", code=USAGE,
                   start_new_session=True)
    box.one_line(done, "no passphrase")


if __name__ == "__main__":
    main(globals())
