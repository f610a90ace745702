#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seals by shares: 3 of 5 people open a vault, new shares replace old ones, and each mistake is told in one line."""
import json
import os
import pty
import select
import subprocess
import time

from harness import CONFLICT, DENIED, NOT_FOUND, OK, USAGE, main

PEOPLE = ["anna", "bert", "carl", "dora", "emil"]


def share(folder, person, ending="txt"):
    return f"{folder}/share-{PEOPLE.index(person) + 1}-{person}.{ending}"


def given(folder, *people):
    return [word for person in people for word in ("--share-file", share(folder, person))]


def run(box, *args, code=OK, **options):
    """Run the program on the vault, with nothing that unseals."""
    return box.run("--vault", box.vault, *args, code=code, **options)


def fails(box, *args, code, says, **options):
    return box.one_line(run(box, *args, code=code, **options), says)


def text_of(box, name):
    """The three lines of a share."""
    return [line for line in box.path(name).read_text().split("\n") if line and not line.startswith("#")]


def three_of_five(box, folder="out", *args):
    return run(box, "init", "--shares", "5", "--threshold", "3", "--holders", ",".join(PEOPLE), "--shares-out", folder,
               *args)


def test_cli_seals__three_of_five_open(box):
    done = three_of_five(box)
    assert done.stdout.count(b"wrote out/share-") == 5
    for person in PEOPLE:
        assert os.stat(box.path(share("out", person))).st_mode & 0o777 == 0o600
        assert len(text_of(box, share("out", person))) == 3
        for line in text_of(box, share("out", person)):
            assert line.encode() not in done.stdout + done.stderr
    record = run(box, "put", "-", *given("out", "carl", "emil", "anna"), input=b"x").stdout.decode().strip()
    assert run(box, "get", record, *given("out", "dora", "bert", "anna")).stdout == b"x"
    assert run(box, "get", record, *given("out", *PEOPLE)).stdout == b"x"
    assert b"3 of 5 shares" in run(box, "info", *given("out", "dora", "bert", "anna")).stdout
    both = box.path(share("out", "anna")).read_bytes() + box.path(share("out", "bert")).read_bytes()
    assert run(box, "get", record, "--share-file", "-", *given("out", "emil"), input=both).stdout == b"x"
    fails(box, "ls", *given("out", "anna", "carl"), code=DENIED, says="2 of 3 shares: anna, carl; 1 more needed")


def test_cli_seals__lie_side_by_side(box):
    three_of_five(box)
    three = given("out", "carl", "emil", "anna")
    box.run("keygen", box.key)
    box.path("pass").write_text("correct horse")
    box.path("pass").chmod(0o600)
    assert run(box, "seals", "add", "--new-key-file", box.key, *three).stdout == b"added seal 2\n"
    box.sherd("seals", "add", "--new-passphrase-file", "pass")
    run(box, "seals", "add", "--parts", "2", "--holders", "x,y", "--shares-out", "parts", "--passphrase-file", "pass")
    run(box, "ls", "--share-file", "parts/share-1-x.txt", "--share-file", "parts/share-2-y.txt")
    seals = json.loads(run(box, "seals", "list", "--json").stdout)["seals"]
    assert [(seal["seal"], seal["kind"]) for seal in seals] == [(1, "shares"), (2, "key-file"), (3, "passphrase"),
                                                                 (4, "parts")]
    assert seals[0]["holders"] == PEOPLE and seals[0]["threshold"] == 3
    assert b"3 of 5 shares: anna, bert" in run(box, "seals", "list").stdout
    box.sherd("seals", "remove", "1")
    fails(box, "ls", *three, code=DENIED, says="of another set")
    box.fails("seals", "remove", "1", code=NOT_FOUND, says="no seal 1")
    for number in ["3", "4"]:
        box.sherd("seals", "remove", number)
    box.fails("seals", "remove", "2", code=DENIED, says="the last seal")
    box.sherd("ls")
    for args in [["add"], ["remove"], ["remove", "100"], ["other"], ["list", "x"], ["list", "--copies"]]:
        box.fails("seals", *args, code=USAGE)


def test_cli_seals__are_rekeyed_when_all_confirm(box):
    three_of_five(box)
    old = given("out", "carl", "emil", "anna")
    run(box, "rekey-shares", *old, "--shares-out", "new")
    fails(box, "rekey-shares", *old, "--shares-out", "more", code=CONFLICT, says="--abandon")
    assert not box.path("more").exists()
    fails(box, "ls", *given("new", "anna", "bert", "carl"), code=DENIED, says="anna: share 1 is of generation 2")
    done = run(box, "rekey-shares", "--confirm", share("new", "bert"))
    assert b"1 of 5 new shares: bert; missing: anna, carl, dora, emil" in done.stdout
    assert b"1 of 5 new shares: bert" in run(box, "rekey-shares").stdout
    assert b"new shares: 1 of 5 confirmed; missing: anna" in run(box, "seals", "list").stdout
    fails(box, "rekey-shares", "--confirm", share("out", "anna"), code=DENIED, says="anna: share 1 is stale")
    run(box, "ls", *old)
    run(box, "rekey-shares", "--confirm", share("new", "anna"), "--confirm", share("new", "carl"))
    line = run(box, "share", "show", share("new", "carl")).stdout
    assert b"holder carl" in line and b"generation 2" in line and b"new, confirmed" in line, line
    run(box, "rekey-shares", "--confirm", "-", input=box.path(share("new", "dora")).read_bytes())
    done = json.loads(run(box, "rekey-shares", "--json", "--confirm", share("new", "emil")).stdout)
    assert done["done"] and done["confirmed"] == 5
    run(box, "ls", *given("new", "anna", "bert", "carl"))
    fails(box, "ls", *old, code=DENIED, says="carl: share 3 is stale: it is of generation 1, and 2 has replaced that")
    run(box, "rekey-shares", *given("new", "anna", "bert", "carl"), "--shares", "2", "--threshold", "2",
        "--shares-out", "two")
    run(box, "rekey-shares", "--abandon", *given("new", "anna", "bert", "carl"))
    fails(box, "rekey-shares", "--confirm", "two/share-1.txt", code=NOT_FOUND, says="no new shares")
    run(box, "ls", *given("new", "anna", "bert", "carl"))


def test_cli_seals__killed_while_rekeying_leave_one_set_that_opens(box):
    three_of_five(box)
    old = given("out", "carl", "emil", "anna")
    env = {**box.env, "SHERD_FAILPOINT": "shares.named=kill"}
    run(box, "rekey-shares", *old, "--shares-out", "new", env=env, code=-9)
    run(box, "ls", *old)
    new = given("new", "anna", "bert", "carl")
    for person in PEOPLE[:4]:
        run(box, "rekey-shares", "--confirm", share("new", person))
    env["SHERD_FAILPOINT"] = "confirm.before_replace=kill"
    run(box, "rekey-shares", "--confirm", share("new", "emil"), env=env, code=-9)
    run(box, "ls", *old)
    run(box, "ls", *new, code=DENIED)
    assert b"all 5 new shares are confirmed" in run(box, "rekey-shares").stdout
    run(box, "ls", *new)
    run(box, "ls", *old, code=DENIED)


def test_cli_seals__seal_shares_to_their_holders(box):
    age = subprocess.run(["age-keygen", "-o", box.path("anna.key")], check=True, capture_output=True)
    public = age.stderr.decode().split()[-1]
    box.path("bert.pass").write_text("bert's own")
    box.path("bert.pass").chmod(0o600)
    three_of_five(box, "out", "--share-recipient", f"anna={public}", "--share-passphrase-file", "bert=bert.pass")
    sealed = [share("out", "anna", "age"), share("out", "bert", "age")]
    for name in sealed:
        assert box.path(name).read_text().startswith("-----BEGIN AGE ENCRYPTED FILE-----\n")
    args = ["--share-file", sealed[0], "--share-file", sealed[1], *given("out", "carl")]
    run(box, "ls", *args, "--holder-identity", "anna.key", "--passphrase-file", "bert.pass")
    fails(box, "ls", *args, "--passphrase-file", "bert.pass", code=DENIED, says="--holder-identity")
    fails(box, "ls", *args, "--holder-identity", "anna.key", code=USAGE,
          says="--passphrase-file", start_new_session=True)
    box.path("wrong.pass").write_text("not bert's")
    box.path("wrong.pass").chmod(0o600)
    run(box, "ls", *args, "--holder-identity", "anna.key", "--passphrase-file", "wrong.pass", code=DENIED)
    opened = subprocess.run(["age", "-d", "-i", box.path("anna.key"), box.path(sealed[0])], check=True,
                            capture_output=True).stdout
    assert opened.startswith(b"# share 1 of 5, for anna; 3 open the vault; set ")


def test_cli_share__shows_whose_it_is_and_not_its_value(box):
    three_of_five(box)
    lines = text_of(box, share("out", "dora"))
    done = run(box, "share", "show", share("out", "dora"))
    assert b"share 4 of 5, of which 3 open; holder dora; set " in done.stdout and b"current" in done.stdout
    shown = json.loads(run(box, "share", "show", "--json", share("out", "dora")).stdout)
    assert (shown["index"], shown["holder"], shown["generation"], shown["seal"]) == (4, "dora", 1, 1)
    alone = box.run("share", "show", share("out", "dora")).stdout
    assert b"share 4 of 5" in alone and b"dora" not in alone
    for output in [done.stdout, json.dumps(shown).encode(), alone]:
        for line in lines:
            for group in line.split()[3:]:
                assert group.encode() not in output
    box.vault.rename(box.path("first"))
    three_of_five(box, "other")
    assert b"of no seal of this vault" in run(box, "share", "show", share("out", "dora")).stdout


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, box, *args):
        self.shown = b""
        self.seen = 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(box.dir)
            os.execve(box.program, box.command(*args), box.env)

    def read(self):
        try:
            more = os.read(self.fd, 4096)
        except OSError:  # the program has ended
            more = b""
        self.shown += more
        return more

    def wait_for(self, words):
        """Up to the end of these words, behind what was waited for before."""
        end = time.monotonic() + 60
        while words not in self.shown[self.seen:]:
            assert time.monotonic() < end and (not select.select([self.fd], [], [], 1)[0] or self.read()), \
                (words, self.shown)
        self.seen = self.shown.index(words, self.seen) + len(words)

    def type(self, line):
        os.write(self.fd, line.encode() + b"\n")

    def end(self):
        while self.read():
            pass
        os.close(self.fd)
        return os.waitpid(self.pid, 0)[1]


def test_cli_seals__shares_are_asked_for_on_a_terminal(box):
    three_of_five(box)
    terminal = Terminal(box, "--vault", box.vault, "ls")
    for person, told in [("anna", b"1 of 3 shares: anna"), ("anna", b"anna: share 1 is given twice"),
                         ("emil", b"2 of 3 shares: anna, emil"), ("bert", b"3 of 3 shares: anna, bert, emil")]:
        for number, line in enumerate(text_of(box, share("out", person)), 1):
            terminal.wait_for(f"Share, line {number}: ".encode())
            terminal.type(line)
        terminal.wait_for(told)
    assert terminal.end() == 0
    assert b"sherd1" not in terminal.shown  # nothing is echoed


def test_cli_init__tells_mistakes_with_shares_as_json(box):
    done = run(box, "init", "--json", "--shares", "3", "--threshold", "2", "--shares-out", "-", code=USAGE)
    assert "JSON" in json.loads(done.stderr)["error"]["detail"] and done.stdout == b""


def test_cli_seals__operator_mistakes_with_shares(box):
    three_of_five(box)
    line = text_of(box, share("out", "anna"))[0]
    anna = box.path(share("out", "anna"))
    for option in [["--share-file", line], [f"--share-file={line}"], [f"--share={line}"],
                   ["--share", line.upper()]]:
        told = fails(box, "info", *option, code=USAGE, says="never taken from the command line")
        assert line[8:20] not in told.lower()
    told = fails(box, "share", "show", line, code=USAGE, says="never taken from the command line")
    told += fails(box, "rekey-shares", "--confirm", line, code=USAGE, says="never taken from the command line")
    assert line[8:20] not in told
    three = given("out", "anna", "bert", "carl")
    anna.chmod(0o644)
    fails(box, "ls", *three, code=USAGE, says="other users may read the share")
    anna.chmod(0o600)
    fails(box, "ls", *three, *given("out", "anna"), code=USAGE, says="anna: share 1 is given twice")
    fails(box, "ls", *three, "--key-file", "x", code=USAGE, says="give one of")
    fails(box, "ls", "--holder-identity", "x", code=USAGE, says="--share-file", start_new_session=True)
    fails(box, "ls", "--share-file", "absent", code=NOT_FOUND, says="absent")
    fails(box, "ls", "--share-file", "-", "--share-file", "-", code=USAGE, says="twice", input=b"")
    fails(box, "put", "-", "--share-file", "-", *three, code=USAGE, says="standard input", input=b"")
    fails(box, "ls", code=USAGE, says="--share-file", start_new_session=True)
    whole = anna.read_text()
    for text, says in [("", "no share is given"), ("nonsense\n", "line 1 of the share"),
                       (whole.replace(line + "\n", ""), "line 1 is missing"),
                       (whole.replace(line, line[:10] + ("q" if line[10] != "q" else "p") + line[11:]), "line 1"),
                       (whole + whole[:-80], "in place 2"), ("x" * 70000, "too long")]:
        anna.write_text(text)
        assert "share-1-anna.txt" in fails(box, "ls", *three, code=USAGE, says=says)
    anna.write_text(whole)
    box.vault.rename(box.path("first"))
    three_of_five(box, "other")
    fails(box, "ls", *three, code=DENIED, says="share 1 is of another set")
    fails(box, "ls", *given("other", "anna", "bert"), *given("out", "carl"), code=DENIED,
          says="share 3 is of another set")
    fails(box, "rekey-shares", "--abandon", *given("other", "anna", "bert", "carl"), code=NOT_FOUND,
          says="no seal has new shares")
    fails(box, "rekey-shares", "--seal", "2", *given("other", "anna", "bert", "carl"), "--shares-out", "more",
          code=NOT_FOUND, says="seals/2")
    run(box, "ls", *given("other", "anna", "bert", "carl"))


def test_cli_init__shares_are_printed_where_that_is_said(box):
    done = run(box, "init", "--shares", "2", "--copies", "--shares-out", "-")
    shares = done.stdout.decode().split("made a vault")[0]
    assert shares.count("sherd1 ") == 6 and shares.count("# share ") == 2
    first = shares[:shares.index("# share 2")].encode()
    run(box, "ls", "--share-file", "-", input=first)


if __name__ == "__main__":
    main(globals())
