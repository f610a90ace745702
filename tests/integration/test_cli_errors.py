#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Wrong usage, wrong keys and broken vaults: one clear line, the documented exit code, nothing lost."""
import json
import os
import shutil
import subprocess

from harness import (COMPARTMENTS, DENIED, FAILURE, NOT_FOUND, OK, TAMPERED, UNSUPPORTED, USAGE, OneOf, main)


def test_cli_usage__is_told(box):
    box.init()
    for args in [[], ["nonsense"], ["put", "a", "b"], ["get"], ["get", "no-uuid"], ["rm"], ["--nonsense", "ls"],
                 ["ls", "--nonsense"], ["ls", "-X"], ["ls", "--limit"], ["ls", "--limit", "0"], ["ls", "--limit", "1x"],
                 ["ls", "--limit", "-1"], ["ls", "--limit", "99999999999999999999999"], ["inspect"],
                 ["collection", "create"], ["put", "-", "-a", "=x"], ["put", "-", "-a", "x"], ["ls", "--json=1"],
                 ["put", "-", "--idempotency-key", ""]]:
        done = box.run("--vault", box.vault, "--key-file", box.key, *args, code=USAGE)
        box.one_line(done)
        assert done.stdout == b"", args


def test_cli_usage__takes_global_options_before_and_behind(box):
    box.init()
    record = box.put(b"x")
    where, key = ["--vault", box.vault], ["--key-file", box.key]
    for args in [[*where, *key, "get", record], ["get", *where, *key, record], ["get", record, *where, *key],
                 [*where, "get", record, *key], ["get", f"--vault={box.vault}", record, f"--key-file={box.key}"],
                 [*where, *key, "get", "--", record]]:
        assert box.run(*args).stdout == b"x", args
    assert json.loads(box.run("--json", *where, *key, "ls").stdout)["complete"]
    assert json.loads(box.run(*where, *key, "ls", "--json").stdout)["complete"]


def test_cli_usage__takes_the_vault_from_the_environment(box):
    box.init()
    record = box.put(b"x")
    env = {**box.env, "SHERD_VAULT": str(box.vault)}
    assert box.run("get", record, "--key-file", box.key, env=env).stdout == b"x"
    env["SHERD_VAULT"] = "/nowhere"
    assert box.run("get", record, "--key-file", box.key, "--vault", box.vault, env=env).stdout == b"x"
    env["SHERD_VAULT"] = ""
    box.one_line(box.run("get", record, "--key-file", box.key, env=env, code=USAGE), "--vault")


def test_cli_usage__wants_one_source_of_the_passphrase(box):
    box.init()
    box.path("pass").write_text("secret")
    box.fails("ls", "--passphrase-file", "pass", code=USAGE)
    done = box.run("--vault", box.vault, "ls", code=USAGE, start_new_session=True)
    box.one_line(done, "--passphrase-file")
    done = box.run("--vault", box.vault, "put", "-", "--passphrase-fd", "0", input=b"secret", code=USAGE)
    box.one_line(done, "standard input")


def test_cli_json__tells_errors_as_objects(box):
    box.init()
    for args, code, name in [(["get", "7f3e1c1e-6b7b-4c6e-9a27-0c2b9f0f7f11"], NOT_FOUND, "SHERD_ERR_NOT_FOUND"),
                             (["get", "no-uuid"], USAGE, "SHERD_ERR_INVALID"),
                             (["nonsense"], USAGE, "SHERD_ERR_INVALID"),
                             (["ls", "--nonsense"], USAGE, "SHERD_ERR_INVALID")]:
        done = box.sherd("--json", *args, code=code)
        error = json.loads(done.stderr)["error"]
        assert (error["code"], error["exit"]) == (name, code) and error["detail"] and error["what"]
        assert done.stdout == b""


def test_cli_unseal__refuses_a_wrong_passphrase(box):
    box.path("pass").write_text("correct horse\n")
    box.path("wrong").write_text("correct horse \n")
    where = ["--vault", box.vault]
    for name in ["pass", "wrong"]:
        os.chmod(box.path(name), 0o600)
    box.run(*where, "init", "--passphrase-file", "pass")
    record = box.run(*where, "put", "-", "--passphrase-file", "pass", input=b"x").stdout.decode().strip()
    done = box.run(*where, "get", record, "--passphrase-file", "wrong", code=DENIED)
    assert "correct" not in box.one_line(done)
    assert box.run(*where, "get", record, "--passphrase-file", "pass").stdout == b"x"


def test_cli_unseal__refuses_a_wrong_key_file(box):
    box.init()
    box.run("keygen", "other.key")
    box.run("--vault", box.vault, "--key-file", "other.key", "ls", code=DENIED)
    box.path("pass").write_text("x")
    box.run("--vault", box.vault, "--passphrase-file", "pass", "ls", code=DENIED)
    box.path("odd.key").write_text("sherd-key-1:0123\n")
    done = box.run("--vault", box.vault, "--key-file", "odd.key", "ls", code=OneOf(USAGE, DENIED))
    assert b"0123" not in done.stderr
    box.run("--vault", box.vault, "--key-file", "absent.key", "ls", code=FAILURE)
    box.path("empty.key").write_text("")
    box.run("--vault", box.vault, "--key-file", "empty.key", "ls", code=USAGE)
    box.path("long.key").write_text("x" * 5000)
    box.run("--vault", box.vault, "--key-file", "long.key", "ls", code=USAGE)


def test_cli_unseal__takes_the_passphrase_as_its_bytes_are(box):
    where = ["--vault", box.vault]
    box.path("pass").write_bytes(b"two\nlines \xff\n")
    box.run(*where, "init", "--passphrase-file", "pass")
    box.path("same").write_bytes(b"two\nlines \xff")
    box.run(*where, "ls", "--passphrase-file", "same")
    with open(box.path("pass"), "rb") as file:
        box.run(*where, "ls", "--passphrase-fd", str(file.fileno()), pass_fds=[file.fileno()])
    box.run(*where, "ls", "--passphrase-fd", "0", input=b"two\nlines \xff\n")
    box.path("other").write_bytes(b"two\nlines \xff\n\n")
    box.run(*where, "ls", "--passphrase-file", "other", code=DENIED)
    box.path("empty").write_bytes(b"\n")
    box.run(*where, "ls", "--passphrase-file", "empty", code=USAGE)
    box.path("long").write_bytes(b"x" * 1025)
    box.run(*where, "ls", "--passphrase-file", "long", code=USAGE)
    box.run(*where, "ls", "--passphrase-fd", "77", code=FAILURE)
    box.run(*where, "ls", "--passphrase-fd", "x", code=USAGE)


def test_cli_unseal__warns_of_a_file_that_others_may_read(box):
    box.init()
    word = box.path("word")
    word.write_text("a passphrase")
    os.chmod(word, 0o600)
    box.sherd("seals", "add", "--new-passphrase-file", word)
    by_passphrase = ["--vault", box.vault, "--passphrase-file", word, "ls"]
    assert box.run(*by_passphrase).stderr == b""
    os.chmod(word, 0o644)
    assert b"warning" in box.run(*by_passphrase).stderr
    assert box.run(*by_passphrase, "--quiet").stderr == b""


def test_cli_vault__is_missing(box):
    box.run("keygen", box.key)
    for command in [["ls"], ["put", "-"], ["get", "7f3e1c1e-6b7b-4c6e-9a27-0c2b9f0f7f11"], ["verify"], ["sweep"],
                    ["info"]]:
        box.fails(*command, code=NOT_FOUND, says="sherd init", input=b"")
    box.vault.mkdir()
    box.fails("ls", code=NOT_FOUND, says="no vault")
    box.vault.rmdir()
    box.vault.write_text("a file")
    assert box.sherd("ls", code=OneOf(FAILURE, NOT_FOUND)).stdout == b""


def test_cli_vault__of_a_future_format_is_left_alone(box):
    box.init()
    record = box.put(b"x")
    mark = box.vault / "sherd.vault"
    text = mark.read_text()
    mark.write_text(text.replace("format 1", "format 2"))
    box.fails("get", record, code=UNSUPPORTED, says="format")
    box.fails("put", "-", code=UNSUPPORTED, input=b"y")
    mark.write_text(text.replace("lmdb", "other"))
    box.fails("get", record, code=UNSUPPORTED)
    mark.write_text("nonsense\n")
    assert box.sherd("get", record, code=OneOf(FAILURE, TAMPERED, UNSUPPORTED)).stdout == b""
    mark.write_text(text)
    assert box.get(record) == b"x"


def test_cli_vault__works_where_it_was_moved(box):
    box.init()
    record = box.put(b"x" * 200000)
    box.vault.rename(box.path("moved"))
    box.vault = box.path("moved")
    assert box.get(record) == b"x" * 200000
    assert box.get(box.put(b"y")) == b"y"
    shutil.copytree(box.vault, box.path("copy"))
    box.vault = box.path("copy")
    assert box.get(record) == b"x" * 200000
    assert "clean" in box.text("verify")


def test_cli_vault__that_is_half_copied_is_refused(box):
    box.init()
    record = box.put(b"x")
    for name in [*COMPARTMENTS, "anchor"]:
        gone = box.path("gone")
        (box.vault / name).rename(gone)
        done = box.sherd("get", record, code=OneOf(FAILURE, TAMPERED, NOT_FOUND))
        line = box.one_line(done)
        assert done.stdout == b"" and len(line) > 20, line
        if name != "anchor":
            assert name in line, (name, line)
        gone.rename(box.vault / name)
    assert box.get(record) == b"x"


def test_cli_vault__with_a_compartment_of_another_is_refused(box):
    box.init()
    record = box.put(b"x")
    other = type(box)(box.program, box.path("second"))
    other.dir.mkdir()
    other.init()
    for name in COMPARTMENTS:
        (box.vault / name).rename(box.path("mine"))
        shutil.copytree(other.vault / name, box.vault / name)
        done = box.sherd("get", record, code=TAMPERED)
        assert done.stdout == b""
        shutil.rmtree(box.vault / name)
        box.path("mine").rename(box.vault / name)
    assert box.get(record) == b"x"


def as_nobody():
    """Options that run a program without root's rights; tests that are not run by root need none."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}


def test_cli_vault__that_cannot_be_written_can_be_read(box):
    box.init()
    record = box.put(b"x" * 200000)
    small = box.put(b"small")
    if os.getuid() == 0:
        box.program = shutil.copy(box.program, box.path("sherd"))  # nobody need not reach where it was built
        subprocess.run(["chown", "-R", "nobody:nogroup", box.dir], check=True)
        os.chmod(box.dir, 0o755)
    folders = [box.vault, *(path for path in box.vault.rglob("*") if path.is_dir())]
    files = [path for path in box.vault.rglob("*") if path.is_file()]
    for path in folders:
        os.chmod(path, 0o555)
    for path in files:
        os.chmod(path, 0o444)
    assert box.sherd("get", record, **as_nobody()).stdout == b"x" * 200000
    assert box.sherd("get", small, **as_nobody()).stdout == b"small"
    assert small in box.sherd("ls", **as_nobody()).stdout.decode()
    done = box.sherd("put", "-", input=b"y", code=DENIED, **as_nobody())
    box.one_line(done, "cannot be written")
    box.sherd("rm", small, code=DENIED, **as_nobody())
    for path in folders:
        os.chmod(path, 0o755)
    for path in files:
        os.chmod(path, 0o644)
    assert box.sherd("get", small, **as_nobody()).stdout == b"small"
    assert box.sherd("put", "-", input=b"y", **as_nobody()).returncode == OK


def test_cli_vault__whose_file_was_cut_ends_in_words(box):
    """A store's file that is mapped, and shorter than it says, must not kill the program by a signal."""
    box.init()
    records = [box.put(b"%d" % i * 1000) for i in range(40)]
    for name in COMPARTMENTS:
        for path in sorted((box.vault / name).rglob("*")):
            if not path.is_file() or path.stat().st_size < 4096:
                continue
            whole = path.read_bytes()
            for size in [4096, len(whole) // 2 // 4096 * 4096]:
                os.truncate(path, size)
                for args in [["get", records[0]], ["ls"], ["verify"]]:
                    done = box.sherd(*args, code=OneOf(OK, FAILURE, TAMPERED, NOT_FOUND))
                    assert done.returncode == OK or done.stderr.startswith(b"sherd: "), (path, args, done)
                path.write_bytes(whole)
    assert box.get(records[0]) == b"0" * 1000


if __name__ == "__main__":
    main(globals())
