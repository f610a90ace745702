#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files of age in both directions between envelope/age.h and the program age (Debian's package age). Its first argument
is age_tool. Where age is missing these tests fail."""
import errno
import os
import pty
import select
import subprocess
import time

from harness import main

LENGTHS = [0, 1, 1000, 65535, 65536, 65537, 131072, 200001]
PASSPHRASE = "neun Scherben, kein Töpfchen"
TAMPERED = 6  # enum sherd_err


def contents(length):
    return bytes((i * 31 + i // 251) & 255 for i in range(length))


def age(box, *args, **options):
    """Run age; its output."""
    return subprocess.run(["age", *map(str, args)], cwd=box.dir, check=True, stdout=subprocess.PIPE, timeout=120,
                          **options).stdout


def keygen(box, name):
    """A pair of age-keygen's: the path of the identity, and the recipient."""
    subprocess.run(["age-keygen", "-o", name], cwd=box.dir, check=True, stderr=subprocess.DEVNULL)
    public = subprocess.run(["age-keygen", "-y", name], cwd=box.dir, check=True, stdout=subprocess.PIPE)
    return name, public.stdout.decode().strip()


def own_keygen(box, name):
    """A pair of ours."""
    text = box.run("keygen").stdout.decode()
    box.path(name).write_text(text, encoding="ascii")
    return name, text.split("\n")[0].removeprefix("# public key: ")


def at_terminal(box, command, answers):
    """Run a program at a terminal of its own, and type an answer at each question."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.chdir(box.dir)
            os.execvp(command[0], command)
        finally:
            os._exit(127)
    shown, end = b"", time.monotonic() + 120
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            block = os.read(terminal, 4096)
        except OSError as error:
            assert error.errno == errno.EIO, error  # the program has ended
            break
        if not block:
            break
        shown += block
        if answers and shown.rstrip().endswith(b":"):
            os.write(terminal, answers.pop(0).encode() + b"\n")
            shown = b""
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 0 and not answers, (command, status, answers, shown)


def test_age_peer__opens_what_we_seal(box):
    identity, recipient = keygen(box, "their.key")
    for length in LENGTHS:
        plain = contents(length)
        sealed = box.run("seal", recipient, input=plain).stdout
        assert age(box, "-d", "-i", identity, input=sealed) == plain
        armored = box.run("armor", input=sealed).stdout
        assert age(box, "-d", "-i", identity, input=armored) == plain


def test_age_peer__seals_what_we_open(box):
    identity, recipient = own_keygen(box, "our.key")
    for length in LENGTHS:
        plain = contents(length)
        for armor in [[], ["-a"]]:
            sealed = age(box, "-r", recipient, *armor, input=plain)
            assert box.run("open", identity, input=sealed).stdout == plain


def test_age_peer__has_the_same_keys(box):
    their_identity, their_recipient = keygen(box, "their.key")
    our_identity, our_recipient = own_keygen(box, "our.key")
    made = subprocess.run(["age-keygen", "-y", our_identity], cwd=box.dir, check=True, stdout=subprocess.PIPE).stdout
    assert made.decode().strip() == our_recipient
    sealed = box.run("seal", their_recipient, input=b"x").stdout
    assert box.run("open", their_identity, input=sealed).stdout == b"x"


def test_age_peer__several_recipients(box):
    pairs = [keygen(box, "a.key"), own_keygen(box, "b.key"), keygen(box, "c.key")]
    recipients = [recipient for _, recipient in pairs]
    ours = box.run("seal", *recipients, input=b"ours").stdout
    theirs = age(box, *[word for recipient in recipients for word in ("-r", recipient)], input=b"theirs")
    for identity, _ in pairs:
        assert age(box, "-d", "-i", identity, input=ours) == b"ours"
        assert box.run("open", identity, input=theirs).stdout == b"theirs"


def test_age_peer__has_the_same_armor(box):
    identity, recipient = keygen(box, "their.key")
    for length in range(48):
        armored = age(box, "-r", recipient, "-a", input=contents(length))
        bare = box.run("unarmor", input=armored).stdout
        assert box.run("armor", input=bare).stdout == armored
    assert age(box, "-d", "-i", identity, input=bare) == contents(47)


def test_age_peer__opens_our_passphrase(box):
    box.path("pass").write_text(PASSPHRASE, encoding="utf-8")
    for work in ["0", "12"]:
        box.path("sealed").write_bytes(box.run("seal-passphrase", "pass", work, input=contents(70000)).stdout)
        at_terminal(box, ["age", "-d", "-o", "opened" + work, "sealed"], [PASSPHRASE])
        assert box.path("opened" + work).read_bytes() == contents(70000)


def test_age_peer__seals_to_a_passphrase_that_we_open(box):
    box.path("pass").write_text(PASSPHRASE, encoding="utf-8")
    box.path("plain").write_bytes(contents(70000))
    for armor in [[], ["-a"]]:
        at_terminal(box, ["age", "-p", *armor, "-o", "sealed" + "".join(armor), "plain"], [PASSPHRASE, PASSPHRASE])
        sealed = box.path("sealed" + "".join(armor)).read_bytes()
        assert box.run("open-passphrase", "pass", input=sealed).stdout == contents(70000)


def test_age_peer__refuses_the_same_damage(box):
    identity, recipient = keygen(box, "their.key")
    sealed = age(box, "-r", recipient, input=b"a share")
    for at in [0, len(sealed) // 3, len(sealed) - 40, len(sealed) - 1]:
        damaged = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1:]
        theirs = subprocess.run(["age", "-d", "-i", identity], cwd=box.dir, input=damaged, check=False,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert theirs.returncode != 0
    box.run("open", identity, input=damaged, code=TAMPERED)


if __name__ == "__main__":
    main(globals())
