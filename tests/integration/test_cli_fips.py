#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A vault in FIPS mode: everything that it does, and everything that it refuses."""
import json
import os
import re

from harness import DENIED, NOT_FOUND, TAMPERED, UNSUPPORTED, USAGE, main

MARKER = b"MARKER-of-what-is-kept-in-fips-mode "
P256 = re.compile(r"sherdp1[02-9ac-hj-np-z]{110}")
REFUSED = "the vault is in FIPS mode, and "


def make(box, *args):
    """A vault in FIPS mode that the key file opens."""
    box.run("keygen", box.key)
    return box.sherd("init", "--fips", *args)


def secret(box, name, text):
    """A file with a passphrase in it."""
    path = box.path(name)
    path.write_bytes(text + b"\n")
    path.chmod(0o600)
    return path


def pair(box, name, *kind):
    return box.path(name), box.run("keygen", "--recipient", *kind, name, "-q").stdout.decode().strip()


def seals(box):
    return box.json("seals", "list")["seals"]


def test_cli_fips_info__says_the_mode_and_claims_no_module(box):
    assert b"in FIPS mode; no validated module is claimed" in make(box).stdout
    assert "\nmode         FIPS: approved algorithms only; no validated module is claimed\n" in box.text("info")
    info = box.json("info")
    assert (info["fips"], info["validated_module"], info["seal"]) == (True, False, "key file")


def test_cli_fips_info__says_so_where_it_is_off(box):
    done = box.init().json("info")
    assert (done["fips"], done["validated_module"]) == (False, False)
    assert "\nmode         standard: not FIPS; no validated module is claimed\n" in box.text("info")
    box.run("keygen", "other")
    for fips in [[], ["--fips"]]:
        told = json.loads(box.run("--vault", f"v{len(fips)}", "--key-file", "other", "init", *fips, "--json").stdout)
        assert told["fips"] == bool(fips), told


def test_cli_fips__does_all_that_a_vault_does(box):
    make(box)
    first = box.put(MARKER * 5000, "--entity", "patricia", "--attr", "a=b")
    second = box.put(MARKER, "--entity", "kim")
    box.sherd("update", first, "-", input=MARKER * 2)
    assert box.get(first) == MARKER * 2 and box.get(second) == MARKER
    assert box.text("ls").count("\n") == 1
    box.sherd("key", "activate", "default")
    box.sherd("key", "activate", "hash")
    box.sherd("rekey")
    for name in ["default", "hash"]:
        box.sherd("key", "retire", name, "1")
        box.sherd("key", "destroy", name, "1")
    box.sherd("epoch", "roll")
    assert {entity["id"] for entity in box.json("entity", "list")["entities"]} == {"patricia", "kim"}
    box.sherd("entity", "erase", "kim")
    box.sherd("get", second, code=NOT_FOUND)
    assert box.get(first) == MARKER * 2
    box.sherd("sweep")
    box.sherd("verify")
    assert box.json("info")["fips"] is True


def test_cli_fips_seals__are_pbkdf2(box):
    word = secret(box, "word", b"correct horse battery staple")
    box.run("--vault", box.vault, "--passphrase-file", word, "init", "--fips")
    assert [seal["text"] for seal in seals(box)] == ["passphrase (PBKDF2)"]
    box.run("keygen", box.key)
    other = secret(box, "other", b"another one")
    for args in [["--new-key-file", box.key], ["--new-passphrase-file", other]]:
        box.run("--vault", box.vault, "--passphrase-file", word, "seals", "add", *args)
    assert [seal["text"] for seal in seals(box)] == ["passphrase (PBKDF2)", "key file", "passphrase (PBKDF2)"]
    for opens in [["--passphrase-file", word], ["--passphrase-file", other], ["--key-file", box.key]]:
        info = json.loads(box.run("--vault", box.vault, *opens, "info", "--json").stdout)
        assert info["fips"] is True and "scrypt" not in info["seal"] and "Argon2" not in info["seal"]
    for number in range(1, 4):  # hash, mode, iterations: docs/format/vault.md
        header = (box.vault / "anchor" / "seals" / str(number)).read_bytes()[:28]
        expected = bytes([3, 1, 0]) + (600000).to_bytes(4, "big") if number != 2 else bytes([0, 1, 0, 0, 0, 0, 0])
        assert header[13:20] == expected, (number, header)


def test_cli_fips_seals__of_another_vault_or_mode_open_nothing(box):
    """The flag of a seal is part of what is authenticated, and a seal of a vault that is in no such mode is foreign."""
    make(box)
    seal = box.vault / "anchor" / "seals" / "1"
    box.flip(seal, 14)
    box.fails("info", code=DENIED)
    box.flip(seal, 14)
    box.sherd("info")
    box.run("--vault", "standard", "--key-file", box.key, "init")
    seal.write_bytes((box.path("standard") / "anchor" / "seals" / "1").read_bytes())
    assert box.sherd("info", code=TAMPERED).stderr  # another vault's root key: nothing verifies


def test_cli_fips_shares__open_as_they_are_or_by_a_passphrase(box):
    make(box)
    word = secret(box, "word", b"anna's own")
    box.sherd("seals", "add", "--shares", "3", "--threshold", "2", "--holders", "anna,bert,carl", "--shares-out",
              "shares", "--share-passphrase-file", f"anna={word}")
    names = sorted(os.listdir(box.path("shares")))
    assert names == ["share-1-anna.sealed", "share-2-bert.txt", "share-3-carl.txt"]
    sealed = box.path("shares") / names[0]
    assert sealed.read_bytes().startswith(b"sherd-sealed-share-1:") and sealed.read_bytes().count(b"\n") == 1
    shares = ["--share-file", sealed, "--share-file", box.path("shares") / names[1]]
    done = box.run("--vault", box.vault, *shares, "--passphrase-file", word, "info", "--json")
    assert json.loads(done.stdout)["seal"] == "2 of 3 shares"
    wrong = secret(box, "wrong", b"bert's own")
    box.one_line(box.run("--vault", box.vault, *shares, "--passphrase-file", wrong, "info", code=DENIED),
                 "a sealed share does not open")
    sealed.write_bytes(sealed.read_bytes()[:60] + b"\n")  # its header is cut: nothing is left to be wrong about
    box.one_line(box.run("--vault", box.vault, *shares, "--passphrase-file", word, "info", code=USAGE))
    box.sherd("rekey-shares", "--shares-out", "new", "--share-passphrase-file", f"carl={word}")
    assert sorted(os.listdir(box.path("new")))[2] == "share-3-carl.sealed"
    files = [arg for name in os.listdir(box.path("new")) for arg in ("--confirm", box.path("new") / name)]
    box.run("--vault", box.vault, "--passphrase-file", word, "rekey-shares", *files)
    assert seals(box)[1]["generation"] == 2 and "new_shares" not in seals(box)[1]


def test_cli_fips_init__by_shares(box):
    word = secret(box, "word", b"anna's own")
    box.run("--vault", box.vault, "init", "--fips", "--parts", "2", "--holders", "anna,bert", "--shares-out", "shares",
            "--share-passphrase-file", f"anna={word}")
    shares = [arg for name in os.listdir(box.path("shares")) for arg in ("--share-file", box.path("shares") / name)]
    done = box.run("--vault", box.vault, *shares, "--passphrase-file", word, "info", "--json")
    assert json.loads(done.stdout)["fips"] is True


def test_cli_fips_shares__in_the_format_of_age_are_refused(box):
    _, recipient = pair(box, "anna.key")
    options = ["--shares", "2", "--threshold", "2", "--holders", "anna,bert", "--shares-out", "shares",
               "--share-recipient", f"anna={recipient}"]
    done = box.run("--vault", box.vault, "init", "--fips", *options, code=UNSUPPORTED)
    assert "--share-passphrase-file" in box.one_line(done, REFUSED + "the format of age")
    assert not box.vault.exists() and not box.path("shares").exists()
    make(box)
    box.fails("seals", "add", *options, code=UNSUPPORTED, says=REFUSED + "the format of age")
    assert len(seals(box)) == 1 and not box.path("shares").exists()
    # Nor are they taken: a share of this vault that somebody sealed by himself.
    box.sherd("seals", "add", *options[:-2])
    box.run("--vault", "standard", "init", *options[:6], "--shares-out", "aged", "--share-recipient",
            f"anna={recipient}")
    aged = ["--share-file", box.path("aged") / "share-1-anna.age", "--share-file",
            box.path("shares") / "share-2-bert.txt", "--holder-identity", box.path("anna.key")]
    box.one_line(box.run("--vault", box.vault, *aged, "info", code=UNSUPPORTED), REFUSED + "the format of age")
    done = box.run("--vault", box.vault, "rekey-shares", "--confirm", box.path("aged") / "share-1-anna.age",
                   "--holder-identity", box.path("anna.key"), code=UNSUPPORTED)
    box.one_line(done, REFUSED)


def test_cli_fips_recipients__are_of_p256(box):
    make(box)
    mine, recipient = pair(box, "mine", "--p256")
    assert P256.fullmatch(recipient) and mine.read_text().splitlines()[1].startswith("SHERDP-SECRET-KEY-1")
    other, _ = pair(box, "other", "--p256")
    for content in [b"", MARKER, MARKER * 100000]:
        record = box.put(content, "--to", recipient)
        assert box.get(record, "--identity", mine) == content
        box.fails("get", record, "-i", other, code=DENIED, says="another recipient")
        assert box.json("stat", record)["recipient"] == recipient
    box.sherd("update", record, "-", input=MARKER)  # to the same
    assert box.get(record, "-i", mine) == MARKER
    box.sherd("verify")


def test_cli_fips_recipients__of_other_kinds_are_refused(box):
    make(box)
    _, recipient = pair(box, "theirs")
    record = box.put(MARKER)
    for args in [["put", "-", "--to", recipient], ["update", record, "-", "--to", recipient]]:
        line = box.fails(*args, code=UNSUPPORTED, says=REFUSED + "X25519 is not approved", input=MARKER)
        assert "sherd keygen --recipient --p256" in line
    box.path("tree").mkdir()
    (box.path("tree") / "file").write_bytes(MARKER)
    done = box.sherd("import", box.path("tree"), "--to", recipient, code=UNSUPPORTED)
    assert b"X25519 is not approved" in done.stderr
    assert box.text("ls") == box.text("ls", "--collection", "default") and box.text("ls").count(record) == 1
    box.run("keygen", "--recipient", "--pq", "--p256", "x", code=USAGE)
    box.run("keygen", "--p256", "x", code=USAGE)
    assert not box.path("x").exists()


def test_cli_fips_backup__comes_back_in_the_same_mode(box):
    make(box)
    record = box.put(MARKER, "--entity", "pat")
    box.sherd("backup", "bundle")
    box.sherd("restore", "bundle", "again")
    info = json.loads(box.run("--vault", "again", "--key-file", box.key, "info", "--json").stdout)
    assert info["fips"] is True
    assert box.run("--vault", "again", "--key-file", box.key, "get", record).stdout == MARKER


def test_cli_fips_agent__serves_in_the_same_mode(box):
    make(box)
    box.env["XDG_RUNTIME_DIR"] = str(box.dir)
    _, recipient = pair(box, "theirs")
    box.sherd("unseal")
    try:
        info = json.loads(box.run("--vault", box.vault, "info", "--json").stdout)
        assert info["fips"] is True
        done = box.run("--vault", box.vault, "put", "-", "--to", recipient, code=UNSUPPORTED, input=MARKER)
        box.one_line(done, REFUSED + "X25519")
        record = box.run("--vault", box.vault, "put", "-", "--entity", "pat", input=MARKER).stdout.decode().strip()
        assert box.run("--vault", box.vault, "get", record).stdout == MARKER
    finally:
        box.run("--vault", box.vault, "seal")


if __name__ == "__main__":
    main(globals())
