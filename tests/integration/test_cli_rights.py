#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Users, named keys, grants and secrets: what a user has no right to looks, byte by byte, as if it were not there."""
import json
import os
import shutil
import subprocess

from harness import BUSY, CONFLICT, DENIED, FAILURE, NOT_FOUND, TAMPERED, USAGE, main

NOTHING = "7f3e1c1e-6b7b-4c6e-9a27-0c2b9f0f7f11"


class User:
    """A user with a key pair, and the program as that user runs it."""

    def __init__(self, box, name):
        self.box, self.name = box, name
        self.key = box.path(name + ".key")
        box.run("keygen", "--pair", self.key)
        box.sherd("user", "create", name, "--public-key", str(self.key) + ".pub", "--quiet")

    def sherd(self, *args, **options):
        return self.box.sherd("--user", self.name, "--user-key", self.key, *args, **options)

    def text(self, *args, **options):
        return self.sherd(*args, **options).stdout.decode().rstrip("\n")


def rights(box):
    """A vault with two users, a key of one of them, and a record under it."""
    box.init()
    alice, bob = User(box, "alice"), User(box, "bob")
    alice.sherd("key", "create", "pay")
    return alice, bob, alice.text("put", "-", "--key", "pay", input=b"secret")


def told(done):
    return done.returncode, done.stdout, done.stderr


def like_nothing(user, *command, **options):
    """The command on a record that the user may not see, and on none: nothing tells the two apart."""
    def ask(record):
        args = [record if arg is None else arg for arg in command]
        return told(user.sherd(*args, code=NOT_FOUND, **options))
    return ask


def test_cli_rights__a_missing_grant_looks_like_no_record(box):
    alice, bob, record = rights(box)
    bare = box.put(b"of the owner")
    for command, options in [(["get", None], {}), (["get", None, "--version", "1"], {}),
                             (["get", None, "--version", "9"], {}), (["stat", None], {}), (["rm", None], {}),
                             (["update", None, "-"], {"input": b"x"}), (["get", None, "--json"], {}),
                             (["verify", None], {})]:
        ask = like_nothing(bob, *command, **options)
        expected = ask(NOTHING)
        for hidden in (record, bare):
            code, out, err = ask(hidden)
            assert (code, out, err.replace(hidden.encode(), NOTHING.encode())) == expected, command
    assert bob.text("ls") == ""
    ask = told(bob.sherd("put", "-", "--key", "pay", input=b"x", code=NOT_FOUND))
    assert ask == told(bob.sherd("put", "-", "--key", "none", input=b"x", code=NOT_FOUND))
    ask = told(bob.sherd("key", "grants", "pay", code=NOT_FOUND))
    assert ask == told(bob.sherd("key", "grants", "none", code=NOT_FOUND))
    assert bob.text("key", "named") == ""
    assert alice.sherd("get", record).stdout == b"secret"
    assert box.get(record) == b"secret"


def test_cli_rights__grants_give_and_revoking_takes_at_once(box):
    alice, bob, record = rights(box)
    alice.sherd("key", "grant", "pay", "bob", "read")
    assert bob.sherd("get", record).stdout == b"secret"
    assert bob.text("ls") == record
    bob.sherd("update", record, "-", input=b"x", code=NOT_FOUND)
    bob.sherd("rm", record, code=NOT_FOUND)
    bob.sherd("key", "rotate", "pay", code=NOT_FOUND)
    bob.sherd("key", "grant", "pay", "bob", "write", code=NOT_FOUND)
    alice.sherd("key", "grant", "pay", "bob", "read,write,manage")
    assert json.loads(alice.sherd("key", "grants", "pay", "--json").stdout)["grants"] == [
        {"user": "bob", "rights": "read,write,manage"}]
    bob.sherd("update", record, "-", input=b"two")
    bob.sherd("key", "rotate", "pay")
    assert alice.sherd("get", record).stdout == b"two"
    alice.sherd("key", "revoke", "pay", "bob")
    bob.sherd("get", record, code=NOT_FOUND)
    alice.sherd("rm", record)
    assert "clean" in box.text("verify")


def test_cli_rights__revoking_reaches_a_process_that_is_at_work(box):
    alice, bob, _ = rights(box)
    alice.sherd("key", "grant", "pay", "bob", "write")
    long = box.start(*box.opening(), "--user", "bob", "--user-key", bob.key, "put", "-", "--key", "pay",
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        os.write(long.stdin.fileno(), b"x" * 65536)  # it has opened the vault before it reads on
        os.set_blocking(long.stdin.fileno(), True)
        for _ in range(40):
            long.stdin.write(b"x" * 65536)
        long.stdin.flush()
        alice.sherd("key", "revoke", "pay", "bob")
        out, err = long.communicate(timeout=120)
    finally:
        long.kill()
    assert long.returncode == NOT_FOUND, (long.returncode, err)
    assert out == b""
    assert alice.text("ls").count("\n") == 0  # the first one alone


def test_cli_rights__users_show_who_they_are(box):
    _, bob, record = rights(box)
    box.path("pass").write_text("her own passphrase\n")
    box.path("wrong").write_text("another")
    for name in ("pass", "wrong"):
        os.chmod(box.path(name), 0o600)
    box.sherd("user", "create", "eve", "--new-passphrase-file", "pass")
    box.sherd("key", "create", "hers", "--owner", "eve")
    eve = ["--user", "eve", "--user-passphrase-file", "pass"]
    mine = box.text(*eve, "put", "-", "--key", "hers", input=b"eve's")
    assert box.sherd(*eve, "get", mine).stdout == b"eve's"
    refusal = told(box.sherd("--user", "eve", "--user-passphrase-file", "wrong", "ls", code=DENIED))
    for args in [["--user", "nobody", "--user-passphrase-file", "pass"], ["--user", "eve", "--user-key", bob.key],
                 ["--user", "bob", "--user-passphrase-file", "pass"]]:
        assert told(box.sherd(*args, "ls", code=DENIED)) == refusal, args
    box.sherd("user", "disable", "bob")
    assert told(bob.sherd("ls", code=DENIED)) == refusal
    assert told(bob.sherd("get", record, code=DENIED))[2].replace(b"get:", b"ls:") == refusal[2]
    users = {user["user"]: user for user in box.json("user", "list")["users"]}
    assert sorted(users) == ["alice", "bob", "eve", "owner"]
    assert users["bob"]["disabled"] and not users["eve"]["disabled"]
    assert [users[name]["credential"] for name in ("owner", "eve", "bob")] == ["seal", "passphrase", "key"]


def test_cli_rights__a_collection_demands_its_key(box):
    alice, bob, _ = rights(box)
    box.sherd("collection", "create", "wages", "--key", "pay")
    assert "pay" in box.text("collection", "show", "wages")
    record = alice.text("put", "-", "--collection", "wages", input=b"1")
    bob.sherd("get", record, code=NOT_FOUND)
    bob.sherd("put", "-", "--collection", "wages", input=b"1", code=NOT_FOUND)
    box.sherd("key", "create", "other")
    box.fails("put", "-", "--collection", "wages", "--key", "other", code=USAGE, says="own key", input=b"1")
    box.fails("collection", "create", "x", "--key", "none", code=NOT_FOUND, says="no such key")


def test_cli_rights__old_records_come_under_a_key(box):
    alice, bob, _ = rights(box)
    records = [box.put(b"old %d" % i) for i in range(20)]
    alice.sherd("get", records[0], code=NOT_FOUND)
    done = box.json("encrypt-existing", "--key", "pay", "--rate", "100000")
    assert done["records"] == 20
    assert box.json("encrypt-existing", "--key", "pay")["records"] == 0
    for i, record in enumerate(records):
        assert alice.sherd("get", record).stdout == b"old %d" % i
        bob.sherd("get", record, code=NOT_FOUND)
    assert "clean" in box.text("verify")


def test_cli_secret__is_for_scripts(box):
    alice, bob, _ = rights(box)
    value = bytes(range(256)) + b"\n"
    alice.sherd("secret", "set", "db/prod/password", "--key", "pay", input=value)
    assert alice.sherd("secret", "get", "db/prod/password").stdout == value
    box.path("value").write_bytes(b"two")
    alice.sherd("secret", "set", "db/prod/password", "--file", "value")
    assert alice.sherd("secret", "get", "db/prod/password").stdout == b"two"
    assert alice.sherd("secret", "get", "db/prod/password", "--version", "1").stdout == value
    assert alice.text("secret", "list").startswith("db/prod/password ")
    assert bob.text("secret", "list") == ""
    hidden = told(bob.sherd("secret", "get", "db/prod/password", code=NOT_FOUND))
    assert hidden == told(bob.sherd("secret", "get", "db/prod/none", code=NOT_FOUND))
    hidden = told(bob.sherd("secret", "rm", "db/prod/password", code=NOT_FOUND))
    assert hidden == told(bob.sherd("secret", "rm", "db/prod/none", code=NOT_FOUND))
    alice.sherd("key", "grant", "pay", "bob", "read")
    assert bob.sherd("secret", "get", "db/prod/password").stdout == b"two"
    alice.sherd("secret", "rm", "db/prod/password")
    bob.sherd("secret", "get", "db/prod/password", code=NOT_FOUND)
    box.sherd("secret", "set", "long", input=b"x" * 65536)
    box.fails("secret", "set", "long", code=BUSY, says="64 KiB", input=b"x" * 65537)
    assert "clean" in box.text("verify")


def test_cli_rights__mistakes_of_operators_are_told(box):
    alice, bob, _ = rights(box)
    box.path("empty").write_bytes(b"")
    os.chmod(box.path("empty"), 0o600)
    for args, code, says in [
            (["--user", "alice", "ls"], USAGE, "--user-key"),
            (["--user-key", alice.key, "ls"], USAGE, "need --user"),
            (["--user", "alice", "--user-key", "none.key", "ls"], FAILURE, "none.key"),
            (["--user", "alice", "--user-key", "empty", "ls"], USAGE, "empty"),
            (["--user", "alice", "--user-key", str(alice.key) + ".pub", "ls"], USAGE, "keygen --pair"),
            (["--user", "alice", "--user-key", alice.key, "--user-passphrase-file", "empty", "ls"], USAGE, "one of"),
            (["--user", "Alice", "--user-key", alice.key, "ls"], USAGE, "name"),
            (["--user", "owner", "--user-key", alice.key, "ls"], USAGE, "owner"),
            (["user", "create", "alice", "--public-key", str(alice.key) + ".pub"], CONFLICT, "of that name"),
            (["user", "create", "x", "--public-key", alice.key], USAGE, "public key"),
            (["user", "create", "x", "--public-key", "a", "--new-passphrase-file", "b"], USAGE, "one of"),
            (["user", "disable", "owner"], USAGE, "owner"),
            (["user", "disable", "nobody"], NOT_FOUND, "no such user"),
            (["user", "nonsense"], USAGE, "user create"),
            (["key", "create", "pay"], CONFLICT, "of that name"),
            (["key", "create", "Pay"], USAGE, "name"),
            (["key", "create", "x", "--owner", "nobody"], NOT_FOUND, "no such user"),
            (["key", "grant", "pay", "bob", "own"], USAGE, "read, write and manage"),
            (["key", "grant", "pay", "bob"], USAGE, "key grant"),
            (["key", "grant", "pay", "alice", "read"], USAGE, "owns the key"),
            (["key", "revoke", "none", "bob"], NOT_FOUND, "no such key"),
            (["key", "rotate", "pay", "--owner", "bob"], USAGE, "--owner"),
            (["encrypt-existing"], USAGE, "--key"),
            (["encrypt-existing", "--key", "none"], NOT_FOUND, "no such key"),
            (["encrypt-existing", "--key", "pay", "--collection", "none"], NOT_FOUND, "no collection"),
            (["secret", "set", "a", "value"], USAGE, "command line"),
            (["secret", "set", "../a"], USAGE, "path"),
            (["secret", "get", "a", "--key", "pay"], USAGE, "secret set"),
            (["collection", "create", "sherd-x"], USAGE, "own")]:
        box.fails(*args, code=code, says=says, start_new_session=True)
    done = bob.sherd("put", "-", input=b"x", code=DENIED)
    box.one_line(done, "say which")
    for args in [["verify"], ["sweep"], ["rekey"], ["epoch", "roll"], ["user", "list"], ["entity", "list"],
                 ["key", "list"], ["collection", "create", "c"], ["encrypt-existing", "--key", "pay"]]:
        box.one_line(bob.sherd(*args, code=DENIED), "only the vault's owner")


def test_cli_keygen__writes_a_pair_once(box):
    printed = box.run("keygen", "--pair", "me.key").stdout
    assert printed == box.path("me.key.pub").read_bytes()
    assert len(box.path("me.key").read_bytes()) == 82
    assert os.stat(box.path("me.key")).st_mode & 0o777 == 0o600
    box.one_line(box.run("keygen", "--pair", "me.key", code=CONFLICT), "never overwritten")
    os.unlink(box.path("me.key"))
    box.one_line(box.run("keygen", "--pair", "me.key", code=CONFLICT), "never overwritten")
    assert not box.path("me.key").exists()



def bring_back(box):
    shutil.rmtree(box.vault / "identity")
    shutil.copytree(box.path("before"), box.vault / "identity")


def test_cli_rights_user_list__names_the_one_that_is_damaged(box):
    box.init()
    for name in ["bob", "eve"]:
        User(box, name)
    record = box.put(b"goes on")
    box.while_closed(lambda: shutil.copytree(box.vault / "identity", box.path("before")))
    User(box, "joe")
    box.while_closed(lambda: bring_back(box))  # joe is gone from there, and pinned
    box.sherd("user", "disable", "bob")
    done = box.sherd("user", "list", code=TAMPERED)
    assert b"joe" in done.stdout and b"damaged" in done.stdout and b"eve" in done.stdout and b"owner" in done.stdout
    assert b"user joe" in done.stderr
    listed = json.loads(box.sherd("--json", "user", "list", code=TAMPERED).stdout)["users"]
    users = {user["user"]: user for user in listed}
    assert {name: user["damaged"] for name, user in users.items()} == {
        "owner": False, "bob": False, "eve": False, "joe": True}
    assert users["joe"]["credential"] is None and users["bob"]["disabled"]
    assert b"user            eve" in box.sherd("user", "show", "eve").stdout
    box.fails("user", "show", "joe", code=TAMPERED, says="user joe")
    assert box.text("ls") == record and box.get(record) == b"goes on"
    box.sherd("verify", code=TAMPERED)


if __name__ == "__main__":
    main(globals())
