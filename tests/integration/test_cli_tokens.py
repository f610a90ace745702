#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shares sealed to tokens: SoftHSM as smartcards of two of three holders. Where it is missing, the tests fail."""
import json
import os
import pty
import subprocess
from pathlib import Path

from harness import DENIED, FAILURE, NOT_FOUND, OK, UNSUPPORTED, USAGE, main

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PINS = {"anna": "1234-anna", "bert": "9876-bert", "eve": "5555-eve"}
ANNA, BERT, CARL = "out/share-1-anna.token", "out/share-2-bert.token", "out/share-3-carl.txt"


def tool(box, *args):
    return subprocess.run(args, check=True, env=box.env, capture_output=True, timeout=120).stdout


def pkcs11(box, token, *args):
    return tool(box, "pkcs11-tool", "--module", MODULE, "--token-label", token, "--login", "--pin", PINS[token], *args)


def make_token(box, name):
    tool(box, "softhsm2-util", "--init-token", "--free", "--label", name, "--so-pin", "12345678", "--pin", PINS[name])
    box.path(f"{name}.pin").write_text(PINS[name] + "\n")
    box.path(f"{name}.pin").chmod(0o600)


def make_tokens(box):
    """A token with a key of P-256, and one with an RSA key, in a folder of the test."""
    box.path("tokens").mkdir()
    box.path("softhsm.conf").write_text(f"directories.tokendir = {box.path('tokens')}\nobjectstore.backend = file\n"
                                        "log.level = ERROR\n")
    box.env["SOFTHSM2_CONF"] = str(box.path("softhsm.conf"))
    for name in ["anna", "bert"]:
        make_token(box, name)
    pkcs11(box, "anna", "--keypairgen", "--key-type", "EC:prime256v1", "--label", "share", "--id", "01",
           "--usage-derive")
    pkcs11(box, "bert", "--keypairgen", "--key-type", "RSA:2048", "--label", "share", "--id", "02", "--usage-decrypt")


def run(box, *args, code=OK, **options):
    return box.run("--vault", box.vault, "--pkcs11-module", MODULE, *args, code=code, **options)


def fails(box, *args, code, says, **options):
    return box.one_line(run(box, *args, code=code, **options), says)


def make_vault(box):
    """2 of 3 open; anna and bert have tokens."""
    make_tokens(box)
    return run(box, "init", "--shares", "3", "--threshold", "2", "--holders", "anna,bert,carl", "--shares-out", "out",
               "--share-token", "anna=pkcs11:token=anna;object=share",
               "--share-token", "bert=pkcs11:token=bert;id=%02")


BOTH = ["--share-file", ANNA, "--share-file", BERT, "--pin-file", "anna.pin", "--pin-file", "bert.pin"]


def test_cli_tokens__two_tokens_open_a_vault(box):
    done = make_vault(box)
    assert b"wrote out/share-1-anna.token" in done.stdout and b"wrote out/share-3-carl.txt" in done.stdout
    text = box.path(ANNA).read_text()
    assert text.startswith("# share 1 of 3, for anna; 2 open the vault; set ")
    assert "# sealed to a token: pkcs11:token=anna;object=share\n" in text
    assert os.stat(box.path(ANNA)).st_mode & 0o777 == 0o600
    record = run(box, "put", "-", *BOTH, input=b"x").stdout.decode().strip()
    assert run(box, "get", record, *BOTH).stdout == b"x"
    alone = ["--share-file", ANNA, "--pin-file", "anna.pin", "--share-file", CARL]
    assert run(box, "get", record, *alone).stdout == b"x"
    turned = ["--share-file", BERT, "--share-file", ANNA, "--pin-file", "bert.pin", "--pin-file", "anna.pin"]
    assert run(box, "get", record, *turned).stdout == b"x"
    fails(box, "ls", "--share-file", ANNA, "--pin-file", "anna.pin", code=DENIED, says="1 of 2 shares: anna")
    box.path("pass").write_text("correct horse")
    box.path("pass").chmod(0o600)
    assert run(box, "seals", "add", "--new-passphrase-file", "pass", *BOTH).stdout == b"added seal 2\n"
    box.path("pins").write_text("1234-anna\n9876-bert\n")
    with open(box.path("pins"), "rb") as pins:
        args = ["--share-file", ANNA, "--share-file", BERT, "--pin-fd", "0"]
        assert run(box, "get", record, *args, stdin=pins).stdout == b"x"
    typed = text.upper().replace(" ", "-").replace("#-", "# ")
    run(box, "ls", "--share-file", "-", "--pin-file", "anna.pin", "--share-file", CARL, input=typed.encode())


def test_cli_tokens__in_fips_mode(box):
    """P-256 and RSA-OAEP are approved; a holder without a token has a passphrase, in that mode's own form."""
    make_tokens(box)
    box.path("word").write_text("carl's own\n")
    box.path("word").chmod(0o600)
    run(box, "init", "--fips", "--shares", "3", "--threshold", "2", "--holders", "anna,bert,carl",
        "--shares-out", "out", "--share-token", "anna=pkcs11:token=anna;object=share",
        "--share-token", "bert=pkcs11:token=bert;id=%02", "--share-passphrase-file", "carl=word")
    assert sorted(path.name for path in box.path("out").iterdir()) == [
        "share-1-anna.token", "share-2-bert.token", "share-3-carl.sealed"]
    assert json.loads(run(box, "info", "--json", *BOTH).stdout)["fips"] is True
    record = run(box, "put", "-", *BOTH, input=b"x").stdout.decode().strip()
    other = ["--share-file", "out/share-3-carl.sealed", "--passphrase-file", "word"]
    for name in ["anna", "bert"]:
        held = ["--share-file", f"out/share-{1 if name == 'anna' else 2}-{name}.token", "--pin-file", f"{name}.pin"]
        assert run(box, "get", record, *held, *other).stdout == b"x"
    run(box, "rekey-shares", *BOTH, "--shares-out", "new", "--share-token", "carl=pkcs11:token=anna")
    run(box, "rekey-shares", "--confirm", "new/share-3-carl.token", "--pin-file", "anna.pin", "--confirm",
        "new/share-1-anna.txt", "--confirm", "new/share-2-bert.txt")
    run(box, "ls", "--share-file", "new/share-3-carl.token", "--pin-file", "anna.pin", "--share-file",
        "new/share-1-anna.txt")


def test_cli_tokens__unseal_share_by_share(box):
    make_vault(box)
    done = run(box, "unseal", "--json", "--share-file", ANNA, "--pin-file", "anna.pin", "--idle", "0")
    try:
        assert not json.loads(done.stdout)["unsealed"]
        fails(box, "unseal", "--share-file", BERT, "--pin-file", "anna.pin", code=DENIED, says="the PIN is wrong")
        done = run(box, "unseal", "--share-file", BERT, "--pin-file", "bert.pin")
        assert b"2 of 2 shares: anna, bert" in done.stdout and b"unsealed" in done.stdout
        run(box, "ls")
    finally:
        run(box, "seal")


def test_cli_tokens__rekey_to_tokens_and_confirm(box):
    make_vault(box)
    run(box, "rekey-shares", *BOTH, "--shares-out", "new", "--share-token", "anna=pkcs11:token=anna",
        "--share-token", "carl=pkcs11:token=bert")
    assert sorted(path.name for path in box.path("new").iterdir()) == [
        "share-1-anna.token", "share-2-bert.txt", "share-3-carl.token"]
    done = run(box, "rekey-shares", "--confirm", "new/share-1-anna.token", "--confirm", "new/share-3-carl.token",
               "--pin-file", "anna.pin", "--pin-file", "bert.pin")
    assert b"2 of 3 new shares: anna, carl" in done.stdout
    assert b"generation 2" in run(box, "share", "show", "new/share-1-anna.token", "--pin-file", "anna.pin").stdout
    run(box, "rekey-shares", "--confirm", "new/share-2-bert.txt")
    fails(box, "ls", *BOTH, code=DENIED, says="stale")
    run(box, "ls", "--share-file", "new/share-1-anna.token", "--pin-file", "anna.pin", "--share-file",
        "new/share-2-bert.txt")


def test_cli_tokens__keys_in_files_need_no_token(box):
    """Sealed to the public key alone, read from PEM or a certificate; the token is found by the key."""
    make_tokens(box)
    der = pkcs11(box, "anna", "--read-object", "--type", "pubkey", "--label", "share")
    box.path("anna.pem").write_bytes(subprocess.run(["openssl", "pkey", "-pubin", "-inform", "DER"], input=der,
                                                    check=True, capture_output=True).stdout)
    run_without = ["--vault", box.vault]
    box.run(*run_without, "init", "--shares", "2", "--threshold", "2", "--holders", "anna,bert", "--shares-out", "out",
            "--share-token", "anna=anna.pem")
    assert "# sealed to a token: whichever it is\n" in box.path(ANNA).read_text()
    run(box, "ls", "--share-file", ANNA, "--pin-file", "anna.pin", "--share-file", "out/share-2-bert.txt")
    line = box.one_line(box.run(*run_without, "ls", "--share-file", ANNA, "--pin-file", "anna.pin", "--share-file",
                                "out/share-2-bert.txt", code=USAGE))
    assert "--pkcs11-module" in line
    certificate = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                   "-keyout", box.path("any.key"), "-subj", "/CN=anna", "-out", box.path("anna.crt")]
    subprocess.run(certificate, check=True, capture_output=True)
    run(box, "seals", "add", "--shares", "2", "--threshold", "2", "--holders", "x,y", "--shares-out", "two",
        "--share-token", "x=anna.crt", "--share-file", ANNA, "--pin-file", "anna.pin", "--share-file",
        "out/share-2-bert.txt")
    fails(box, "share", "show", "two/share-1-x.token", "--pin-file", "anna.pin", code=NOT_FOUND,
          says="does not have this key")


def test_cli_tokens__wrong_pins_are_told_once(box):
    make_vault(box)
    box.path("wrong.pin").write_text("0000")
    box.path("wrong.pin").chmod(0o600)
    for share in [ANNA, BERT]:
        told = fails(box, "share", "show", share, "--pin-file", "wrong.pin", code=DENIED, says="the PIN is wrong")
        assert "tries are left" in told and "0000" not in told
    run(box, "share", "show", ANNA, "--pin-file", "anna.pin")
    for args, says in [
            (["--pin=1234"], "a PIN is never taken from the command line"),
            (["--pin", "1234"], "a PIN is never taken from the command line"),
            ([], "--pin-file"),
            (["--pin-file", "anna.pin", "--pin-fd", "0"], "not both"),
            (["--pin-fd", "x"], "--pin-fd"),
            (["--pin-fd", "0"], "--pin-fd has no line"),
    ]:
        told = fails(box, "share", "show", ANNA, *args, code=USAGE, says=says, start_new_session=True)
        assert "1234" not in told
    box.path("empty.pin").write_text("\n")
    box.path("empty.pin").chmod(0o600)
    fails(box, "share", "show", ANNA, "--pin-file", "empty.pin", code=USAGE, says="PIN file is empty")
    fails(box, "share", "show", ANNA, "--pin-file", "none.pin", code=FAILURE, says="none.pin")
    fails(box, "ls", *BOTH[:6], code=USAGE, says="in their order")
    fails(box, "ls", "--pin-file", "anna.pin", code=USAGE, says="--share-file")
    fails(box, "put", "-", "--share-file", ANNA, "--share-file", CARL, "--pin-fd", "0", code=USAGE,
          says="both a PIN and the contents")


def test_cli_tokens__absent_and_wrong_tokens(box):
    make_vault(box)
    anna = ["share", "show", ANNA, "--pin-file", "anna.pin"]
    for module, code, says in [("/nowhere.so", NOT_FOUND, "cannot be loaded"), ("libc.so.6", UNSUPPORTED, "no module"),
                               ("", USAGE, "--pkcs11-module")]:
        done = box.run("--vault", box.vault, f"--pkcs11-module={module}", *anna, code=code)
        box.one_line(done, says)
    box.path("tokens").rename(box.path("away"))
    box.path("tokens").mkdir()
    fails(box, *anna, code=NOT_FOUND, says="no token is here that is pkcs11:token=anna")
    make_token(box, "anna")  # the same label, and another key: its PIN is not asked for
    pkcs11(box, "anna", "--keypairgen", "--key-type", "EC:prime256v1", "--label", "share", "--id", "01")
    fails(box, *anna, code=NOT_FOUND, says="does not have this key")
    box.path("tokens").rename(box.path("other"))
    box.path("away").rename(box.path("tokens"))
    run(box, *anna)
    pkcs11(box, "anna", "--delete-object", "--type", "privkey", "--label", "share")
    fails(box, *anna, code=NOT_FOUND, says="no private one")


def test_cli_tokens__a_pin_goes_to_no_token_unseen(box):
    """A token that shows no key before it has its PIN is given it if its holder names it; the share's URI does not."""
    make_vault(box)
    pkcs11(box, "anna", "--delete-object", "--type", "pubkey", "--label", "share")
    anna = ["share", "show", ANNA, "--pin-file", "anna.pin"]
    told = fails(box, *anna, code=USAGE, says="shows no key before it has its PIN")
    named = told.split("--pkcs11-token '")[1].split("'")[0]
    assert named.startswith("pkcs11:token=anna;") and "serial=" in named, told
    for uri, code, says in [("pkcs11:token=bert", USAGE, "'pkcs11:token=anna"), ("pkcs11:", USAGE, "label or serial"),
                            ("pkcs11:object=share", USAGE, "label or serial"), ("anna", USAGE, "--pkcs11-token: ")]:
        fails(box, *anna, "--pkcs11-token", uri, code=code, says=says)
    fails(box, *anna, "--pkcs11-token", "pkcs11:token=bert", "--pkcs11-token", named, code=NOT_FOUND,
          says="does not have this key")  # it was given its PIN, and had no public key to show then either


def test_cli_tokens__garbage_is_refused(box):
    make_vault(box)
    text = box.path(ANNA).read_text()
    lines = text.split("\n")
    bert = box.path(BERT).read_text().split("\n")
    cases = [
        (lines[:3] + lines[4:], USAGE, "line 1 of the sealed share"),
        (lines[:-2], USAGE, "is missing"),
        (lines[:4] + bert[4:], USAGE, "line 2 of the sealed share: it is of another share"),
        (lines + lines[3:4], USAGE, "something stands behind"),
        ([line.replace("sherdt1 q", "sherdt1 p", 1) for line in lines], USAGE, "line 1 of the sealed share"),
        (["sherdt1"], USAGE, "line 1 of the sealed share"),
        (["sherdt1 " + "q" * 5000], USAGE, "line 1 of the sealed share"),
    ]
    for number, (content, code, says) in enumerate(cases):
        box.path("bad").write_text("\n".join(content))
        told = fails(box, "share", "show", "bad", "--pin-file", "anna.pin", code=code, says=says)
        assert "sherd: share: bad: " in told, (number, told)
    box.path("bad").write_text("\n".join(line for line in lines if not line.startswith("#")))
    run(box, "share", "show", "bad", "--pin-file", "anna.pin")  # comments do not count


def test_cli_tokens__mistakes_when_shares_are_made(box):
    """Each is one clear line, and leaves no vault and no share."""
    make_tokens(box)
    make_token(box, "eve")
    pkcs11(box, "eve", "--keypairgen", "--key-type", "EC:secp384r1", "--label", "long", "--id", "01")
    for number in ["02", "03"]:
        pkcs11(box, "eve", "--keypairgen", "--key-type", "EC:prime256v1", "--label", "twin", "--id", number)
    box.path("text").write_text("no key\n")
    for value, code, says in [
            ("anna=pkcs11:token=carl", NOT_FOUND, "no token is here that is pkcs11:token=carl"),
            ("anna=pkcs11:token=anna;object=other", NOT_FOUND, "shows no public key"),
            ("anna=pkcs11:token=eve;object=long", UNSUPPORTED, "P-256"),
            ("anna=pkcs11:token=eve;object=twin", USAGE, "several keys"),
            ("anna=pkcs11:token=anna;slot-id=0", UNSUPPORTED, "slot-id"),
            ("anna=pkcs11:token=anna?pin-value=1234-anna", USAGE, "a PIN is never taken from the command line"),
            ("anna=text", USAGE, "no public key and no certificate"),
            ("anna=none", FAILURE, "none"),
            ("dora=pkcs11:token=anna", USAGE, "HOLDER="),
            ("pkcs11:token", USAGE, "HOLDER="),
    ]:
        told = fails(box, "init", "--shares", "2", "--threshold", "2", "--holders", "anna,bert", "--shares-out", "out",
                     "--share-token", value, code=code, says=says)
        assert "1234" not in told
        assert not box.vault.exists() and not box.path("out").exists(), value
    fails(box, "init", "--shares", "2", "--threshold", "2", "--holders", "anna,bert", "--shares-out", "out",
          "--share-token", "anna=pkcs11:token=anna", "--share-token", "anna=pkcs11:token=bert", code=USAGE,
          says="named twice")
    fails(box, "init", "--share-token", "anna=pkcs11:token=anna", code=USAGE, says="go with --shares")
    done = box.run("--vault", box.vault, "init", "--shares", "2", "--threshold", "2", "--holders", "anna,bert",
                   "--shares-out", "out", "--share-token", "anna=pkcs11:token=anna", code=USAGE)
    box.one_line(done, "--pkcs11-module")
    uri = f"anna=pkcs11:token=anna?module-path={MODULE}"
    box.run("--vault", box.vault, "init", "--shares", "2", "--threshold", "2", "--holders", "anna,bert",
            "--shares-out", "out", "--share-token", uri)
    assert "module" not in box.path(ANNA).read_text()


def test_cli_tokens__the_pin_is_asked_for_on_a_terminal(box):
    make_vault(box)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(box.dir)
        os.execve(box.program, box.command("--vault", box.vault, "--pkcs11-module", MODULE, "share", "show", ANNA),
                  box.env)
    shown = b""
    while b"PIN of the token anna: " not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, PINS["anna"].encode() + b"\n")
    try:
        while True:
            shown += os.read(terminal, 1000)
    except OSError:  # it has ended
        pass
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0 and b"holder anna" in shown, shown
    assert PINS["anna"].encode() not in shown


if __name__ == "__main__":
    assert Path(MODULE).exists(), f"{MODULE}: SoftHSM is not there"
    main(globals())
