#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The key that protects master keys: rotated, in a key store, and what is said where that is wrong."""
import json
import os
import shutil
import stat

from harness import CONFLICT, DENIED, FAILURE, NOT_FOUND, OK, TAMPERED, USAGE, OneOf, main

NOBODY = 65534
PASSWORD = b"correct horse\n"


def store(box):
    """Options that name the key store, and its password in a file."""
    word = box.path("word")
    if not word.exists():
        word.write_bytes(PASSWORD)
        os.chmod(word, 0o600)
    return ["--key-store", box.path("keys.p12"), *password(box)]


def password(box):
    return ["--key-store-password-file", box.path("word")]


def protected(box):
    """A vault whose protection key is in a key store from the first."""
    box.run("keygen", box.key)
    box.sherd("init", *store(box))
    return box


def shown(box, *args):
    versions = box.json("key", "protection", "list", *args)["protection"]
    assert [version["serves"] for version in versions] == [False] * (len(versions) - 1) + [True]
    return [(version["version"], version["where"]) for version in versions]


def test_cli_protection__rotates_in_the_keyring(box):
    box.init()
    record = box.put(b"content")
    box.sherd("key", "activate", "spread", "--store", "stripe")
    assert shown(box) == [(1, "keyring")]
    assert "version 2" in box.text("key", "protection", "rotate")
    again = box.json("key", "protection", "rotate")["protection"]
    assert again[0] | {"created": 0} == {
        "version": 3, "serves": True, "where": "keyring", "key_store": None, "created": 0, "master_keys": 3,
        "old_copies": 0}
    assert shown(box) == [(3, "keyring")]
    masters = [key for key in box.json("key", "list")["keys"] if ":" not in key["name"]]
    assert {key["protection"] for key in masters} == {3}
    assert "in the keyring" not in box.text("key", "protection", "list")
    assert "lies in         the keyring" in box.text("key", "protection", "show", "3")
    assert "the keyring" in box.text("key", "protection", "use-keyring")
    box.fails("key", "protection", "show", "2", code=NOT_FOUND)
    assert box.text("--quiet", "key", "protection", "rotate") == ""
    assert box.get(record) == b"content"
    box.sherd("verify")


def test_cli_protection__is_in_a_key_store_from_the_first(box):
    box.run("keygen", box.key)
    made = box.sherd("init", *store(box))
    file = box.path("keys.p12")
    assert os.fsencode(str(file)) in made.stdout and b"copy" in made.stdout and made.stderr == b""
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    box.fails("ls", code=DENIED, says="--key-store-password-file")
    box.fails("put", "-", input=b"x", code=DENIED, says=str(file))
    record = box.text("put", "-", *password(box), input=b"content")  # the vault knows where the file is
    assert box.sherd("get", record, *store(box)).stdout == b"content"
    with open(box.path("word"), "rb") as word:
        box.sherd("ls", "--key-store-password-fd", word.fileno(), pass_fds=[word.fileno()])
    assert shown(box, *password(box)) == [(1, "key-store")]
    assert str(file) in box.text("key", "protection", "show", *password(box))
    box.sherd("key", "protection", "rotate", *password(box))
    assert shown(box, *password(box)) == [(2, "key-store")]
    box.sherd("key", "activate", "default", *password(box))
    moved = box.path("moved.p12")
    os.rename(file, moved)
    box.fails("get", record, *password(box), code=FAILURE, says="missing")
    assert box.sherd("get", record, "--key-store", moved, *password(box)).stdout == b"content"
    box.sherd("key", "protection", "rotate", "--key-store", moved, *password(box))
    assert box.sherd("get", record, *password(box)).stdout == b"content"  # and now it knows the new place
    box.sherd("verify", *password(box))


def test_cli_protection__is_moved_out_for_good(box):
    box.init()
    record = box.put(b"content")
    box.sherd("ls", *store(box))  # where none is on, none is needed
    assert not box.path("keys.p12").exists()
    moved = box.sherd("key", "protection", "use-key-store", *store(box))
    assert b"the key store" in moved.stdout and b"copy" in moved.stderr
    box.fails("get", record, code=DENIED, says="--key-store-password-file")
    assert box.sherd("get", record, *password(box)).stdout == b"content"
    assert shown(box, *password(box)) == [(2, "key-store")]
    box.fails("key", "protection", "use-keyring", *password(box), code=DENIED, says="never turned off")
    box.fails("--quiet", "key", "protection", "use-key-store", *store(box), code=CONFLICT, says="already")
    other = box.path("other.p12")
    box.fails("key", "protection", "use-key-store", "--key-store", other, *password(box), code=FAILURE, says="missing")
    assert not other.exists()
    assert box.sherd("get", record, *password(box)).stdout == b"content"


def test_cli_protection__takes_the_password_of_a_descriptor_when_it_is_moved(box):
    box.init()
    box.sherd("key", "protection", "use-key-store", "--key-store", "keys.p12", "--key-store-password-fd", "0",
              input=PASSWORD)
    box.sherd("ls", "--key-store-password-fd", "0", input=PASSWORD)
    box.fails("ls", "--key-store-password-fd", "0", input=b"\n", code=USAGE, says="empty")


def test_cli_protection__adds_to_a_file_and_says_so(box):
    protected(box)
    before = box.path("keys.p12").read_bytes()
    other = box.path("other")
    said = box.run("--vault", other, "--key-file", box.key, "init", *store(box))
    assert b"note" in said.stderr and b"there already" in said.stderr
    box.sherd("ls", *password(box))
    box.run("--vault", other, "--key-file", box.key, "ls", *password(box))
    assert box.path("keys.p12").read_bytes() == before  # its key served, and nothing was replaced
    box.path("letter").write_bytes(b"no key store")
    third = ["--vault", box.path("third"), "--key-file", box.key]
    box.run(*third, "init", "--key-store", "letter", *password(box), code=TAMPERED)
    assert box.path("letter").read_bytes() == b"no key store" and not box.path("third").exists()
    warned = box.run(*third, "init", "--key-store", other / "k.p12", *password(box))
    assert b"inside a vault" in warned.stderr


def test_cli_protection__says_what_is_wrong_with_the_key_store(box):
    protected(box)
    file = box.path("keys.p12")
    whole = file.read_bytes()
    wrong = box.path("wrong")
    wrong.write_bytes(b"incorrect horse")
    os.chmod(wrong, 0o600)
    box.fails("ls", "--key-store-password-file", wrong, code=DENIED, says="password")
    box.fails("ls", "--key-store-password-file", "none", code=FAILURE, says="none")
    for size in [0, 1, 100, len(whole) // 2, len(whole) - 1]:
        file.write_bytes(whole[:size])
        line = box.fails("ls", *password(box), code=TAMPERED, says="keys.p12")
        assert "backup" in line and "verify" not in line
    other = box.path("other")
    others = box.path("others.p12")
    box.run("--vault", other, "--key-file", box.key, "init", "--key-store", others, *password(box))
    file.write_bytes(others.read_bytes())
    box.fails("ls", *password(box), code=DENIED, says="another vault's")
    file.unlink()
    box.fails("ls", *password(box), code=FAILURE, says="missing")
    box.fails("ls", "--key-store", box.path("nowhere") / "x.p12", *password(box), code=FAILURE, says="nowhere")
    file.write_bytes(whole)
    box.sherd("verify", *password(box))


def test_cli_protection__refuses_what_makes_no_sense(box):
    box.init()
    store(box)
    new = box.path("new")
    init = ["--vault", new, "--key-file", box.key, "init"]
    for args, says in [
            (["--key-store", "k.p12"], "password is missing"),
            (["--key-store-password-file", "word"], "--key-store"),
            (["--key-store", "", "--key-store-password-file", "word"], "--key-store: its value is empty"),
            (["--key-store", "k.p12", "--key-store-password-file", "word", "--key-store-password-fd", "0"], "one of"),
            (["--key-store", "k.p12", "--key-store-password-fd", "x"], "descriptor"),
            (["--key-store", "k.p12", "--key-store-password", "hidden"], "command line")]:
        line = box.one_line(box.run(*init, *args, code=USAGE), says)
        assert "hidden" not in line
        assert not new.exists() and not box.path("k.p12").exists()
    for verb in [[], ["turn"], ["rotate", "1"], ["list", "1"], ["show", "x"], ["use-keyring", "now"]]:
        box.fails("key", "protection", *verb, code=USAGE)
    box.fails("key", "protection", "list", "--store", "stripe", code=USAGE)
    box.fails("key", "protection", "use-key-store", code=USAGE, says="--key-store")
    box.fails("key", "protection", "use-key-store", *password(box), code=USAGE, says="--key-store")
    assert shown(box) == [(1, "keyring")]


def test_cli_protection__leaves_no_password_behind(box):
    protected(box)
    record = box.text("put", "-", *password(box), input=b"content")
    box.sherd("key", "protection", "rotate", *password(box))
    box.sherd("get", record, *password(box))
    for path in box.dir.rglob("*"):
        if path.is_file() and path.name != "word":
            assert b"correct horse" not in path.read_bytes(), path


def test_cli_protection__is_needed_to_restore_a_backup(box):
    protected(box)
    record = box.text("put", "-", *password(box), input=b"content")
    box.sherd("backup", *password(box), "old.backup")
    box.sherd("key", "protection", "rotate", *password(box))
    box.sherd("backup", *password(box), "new.backup")
    assert box.path("keys.p12").read_bytes() not in box.path("old.backup").read_bytes()
    copy = box.path("copy")
    box.fails("restore", "old.backup", copy, code=DENIED, says="--key-store-password-file")
    assert not copy.exists()
    for backup in ["old.backup", "new.backup"]:  # the key store has its history
        box.sherd("restore", backup, copy, *password(box))
        again = ["--vault", copy, "--key-file", box.key, *password(box)]
        assert box.run(*again, "get", record).stdout == b"content"
        shutil.rmtree(copy)
    box.sherd("epoch", "roll", *password(box), "--quiet")
    box.sherd("backup", *password(box), "third.backup")


# --- with an agent -------------------------------------------------------------------------------------------------


def agent_test(function):
    def run(box):
        box.env["XDG_RUNTIME_DIR"] = str(box.dir)
        try:
            function(box)
        finally:
            plain(box, "seal", code=OneOf(*range(9)))
    return run


def plain(box, *args, code=OK, **options):
    """Run the program on the vault with nothing to unseal it."""
    return box.run("--vault", box.vault, *args, code=code, start_new_session=True, **options)


@agent_test
def test_cli_protection__is_kept_by_the_agent(box):
    protected(box)
    box.fails("unseal", code=DENIED, says="--key-store-password-file")
    box.sherd("unseal", *password(box))
    record = plain(box, "put", "-", input=b"content").stdout.decode().strip()
    assert b"version 2" in plain(box, "key", "protection", "rotate").stdout
    plain(box, "key", "activate", "default")
    box.sherd("key", "protection", "rotate", *password(box))  # beside it, in a process of its own
    plain(box, "key", "activate", "default")
    listed = json.loads(plain(box, "key", "protection", "list", "--json").stdout)["protection"]
    assert [(version["version"], version["master_keys"]) for version in listed] == [(3, 4)]
    box.path("keys.p12").rename(box.path("away.p12"))
    assert plain(box, "get", record).stdout == b"content"
    plain(box, "key", "activate", "default")
    box.one_line(plain(box, "key", "protection", "rotate", code=FAILURE), "missing")
    box.path("away.p12").rename(box.path("keys.p12"))
    plain(box, "key", "protection", "rotate")
    plain(box, "verify")


@agent_test
def test_cli_protection__is_moved_out_through_the_agent(box):
    box.init()
    record = box.put(b"content")
    box.sherd("unseal")
    store(box)
    plain(box, "key", "protection", "use-key-store", "--key-store", "keys.p12", *password(box))
    assert plain(box, "get", record).stdout == b"content"
    plain(box, "key", "protection", "rotate")
    plain(box, "seal")
    box.sherd("unseal", *password(box))
    assert plain(box, "get", record).stdout == b"content"


@agent_test
def test_cli_protection__turned_on_beside_an_agent_is_told_by_it(box):
    box.init()
    record = box.put(b"content")
    box.sherd("unseal")
    assert plain(box, "get", record).stdout == b"content"
    box.sherd("key", "protection", "use-key-store", *store(box))
    assert plain(box, "get", record).stdout == b"content"  # what it holds it holds
    box.one_line(plain(box, "key", "activate", "default", code=DENIED), "`sherd seal`")
    plain(box, "seal")
    box.sherd("unseal", *password(box))
    plain(box, "key", "activate", "default")


def by_shares(box):
    names = ["anna", "bert", "carl"]
    plain(box, "init", "--shares", "3", "--threshold", "2", "--holders", ",".join(names), "--shares-out", "shares",
          *store(box))
    return [box.path("shares") / f"share-{i + 1}-{name}.txt" for i, name in enumerate(names)]


@agent_test
def test_cli_protection__is_waited_for_by_shares(box):
    shares = by_shares(box)
    wrong = box.path("wrong")
    wrong.write_bytes(b"incorrect horse")
    os.chmod(wrong, 0o600)
    assert b"1 of 2" in plain(box, "unseal", "--share-file", shares[0]).stdout
    box.one_line(plain(box, "unseal", "--share-file", shares[1], code=DENIED), "wait for the key store")
    box.one_line(plain(box, "unseal", code=DENIED), "wait for the key store")
    box.one_line(plain(box, "unseal", "--key-store-password-file", wrong, code=DENIED), "password")
    assert b"unsealed" in plain(box, "unseal", *password(box)).stdout  # no share was lost
    plain(box, "ls")
    plain(box, "seal")

    # named with the first share, by its owner; the last one opens
    assert b"still sealed" in plain(box, "unseal", "--share-file", shares[2], *password(box)).stdout
    assert b"unsealed" in plain(box, "unseal", "--share-file", shares[0]).stdout
    plain(box, "seal")

    # named wrong before: whoever gives the last share is not to blame
    plain(box, "unseal", "--share-file", shares[2], "--key-store-password-file", wrong)
    box.one_line(plain(box, "unseal", "--share-file", shares[0], code=DENIED), "enough shares")
    assert b"unsealed" in plain(box, "unseal", *password(box)).stdout
    plain(box, "seal")
    plain(box, "ls", "--share-file", shares[0], "--share-file", shares[1], *password(box))


@agent_test
def test_cli_protection__is_named_to_the_agent_by_the_owner_alone(box):
    if os.geteuid() != 0 or not all(os.stat(parent).st_mode & 0o001 for parent in box.program.parents):
        return  # only root can be somebody else, where that one reaches the program
    del box.env["XDG_RUNTIME_DIR"]
    os.chmod(box.dir, 0o755)
    shares = by_shares(box)
    theirs = [box.path("share"), box.path("their-word")]
    for mine, copy in zip([shares[0], box.path("word")], theirs):
        shutil.copy(mine, copy)
        os.chown(copy, NOBODY, NOBODY)

    def become():
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    plain(box, "unseal", "--operators", "--share-file", shares[1])
    refused = plain(box, "unseal", "--share-file", theirs[0], "--key-store-password-file", theirs[1], code=DENIED,
                    preexec_fn=become)
    box.one_line(refused, "owner")
    assert b"unsealed" in plain(box, "unseal", "--share-file", shares[0], *password(box)).stdout


if __name__ == "__main__":
    main(globals())
