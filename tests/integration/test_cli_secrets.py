#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Secrets are where they belong and nowhere else: arguments, environment, errors, files, /proc."""
import os
import subprocess

from harness import DENIED, USAGE, main

PASSPHRASE = b"Zanzibar-84-heliotrope"
CONTENT = b"MARKER-of-the-contents-0123456789 "


def sealed(box):
    box.path("pass").write_bytes(PASSPHRASE + b"\n")
    os.chmod(box.path("pass"), 0o600)
    box.run("--vault", box.vault, "init", "--passphrase-file", "pass")
    return ["--vault", box.vault, "--passphrase-file", "pass"]


def test_cli_secrets__are_not_in_arguments_or_environment(box):
    where = sealed(box)
    child = box.start(*where, "put", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdin.write(CONTENT * 50000)
    child.stdin.flush()  # longer than a pipe holds: the program is well under way
    for name in ["cmdline", "environ", "status", "maps"]:
        try:
            with open(f"/proc/{child.pid}/{name}", "rb") as file:
                text = file.read()
        except PermissionError:
            continue
        assert PASSPHRASE not in text and CONTENT[:20] not in text, name
    child.communicate(timeout=60)
    assert child.returncode == 0


def test_cli_secrets__are_out_of_reach_of_others_of_the_same_user(box):
    """Not dumpable: the files of /proc belong to root, and RLIMIT_CORE is 0."""
    where = sealed(box)
    child = box.start(*where, "put", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdin.write(CONTENT * 50000)
    child.stdin.flush()  # longer than a pipe holds: the program is well under way
    with open(f"/proc/{child.pid}/limits", encoding="ascii") as file:
        core = [line.split() for line in file if line.startswith("Max core file size")][0]
    assert core[4:6] == ["0", "0"], core
    assert os.stat(f"/proc/{child.pid}/mem").st_uid == 0
    child.communicate(timeout=60)


def test_cli_secrets__are_not_in_errors(box):
    where = sealed(box)
    wrong = b"Tanganyika-77-periwinkle"
    box.path("wrong").write_bytes(wrong)
    os.chmod(box.path("wrong"), 0o600)
    for args in [["ls"], ["put", "-"], ["--json", "ls"]]:
        done = box.run("--vault", box.vault, "--passphrase-file", "wrong", *args, input=CONTENT, code=DENIED)
        for secret in [PASSPHRASE, wrong, CONTENT[:20]]:
            assert secret not in done.stderr + done.stdout
    for args in [["--passphrase=" + wrong.decode(), "ls"], ["--passphrase", wrong.decode(), "ls"],
                 ["--passphras=" + wrong.decode(), "ls"], ["ls", "--password=" + wrong.decode()],
                 ["ls", "--json", "--password=" + wrong.decode()]]:
        done = box.run(*where, *args, code=USAGE)
        assert wrong not in done.stderr, done.stderr
    done = box.run(*where, "--passphrase=x", "ls", code=USAGE)
    assert b"never taken from the command line" in done.stderr


def test_cli_secrets__are_in_no_file_of_the_vault(box):
    where = sealed(box)
    box.path("file").write_bytes(CONTENT * 10000)
    record = box.run(*where, "put", "file", "-a", "title=" + CONTENT.decode(), "-t", "text/marker-type", "-e",
                     "marker-entity").stdout.decode().strip()
    box.run(*where, "put", "-", input=CONTENT)
    box.run(*where, "update", record, "-", input=CONTENT * 3)
    secrets = [PASSPHRASE, CONTENT[:16], b"text/marker-type", b"marker-entity", record.encode(),
               bytes.fromhex(record.replace("-", ""))]
    checked = 0
    for path in box.vault.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            checked += len(data)
            for secret in secrets:
                for form in [secret, secret.hex().encode(), secret.decode("latin1").encode("utf-16-le")]:
                    assert form not in data, (path, secret)
    assert checked > 10000


def test_cli_secrets__leave_no_temporary_file(box):
    where = sealed(box)
    temporary = box.path("tmp")
    temporary.mkdir()
    env = {**box.env, "TMPDIR": str(temporary), "HOME": str(temporary)}
    record = box.run(*where, "put", "-", input=CONTENT * 50000, env=env).stdout.decode().strip()
    box.run(*where, "get", record, "-o", "out", env=env)
    assert os.listdir(temporary) == []
    assert sorted(os.listdir(box.dir)) == ["out", "pass", "tmp", "vault"]


if __name__ == "__main__":
    main(globals())
