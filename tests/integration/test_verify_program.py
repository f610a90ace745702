#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The program sherd-verify, against a log that tlog.py writes from the specifications. Its first argument is the
program; SHERD_PROGRAM, where it is set, is the command sherd, which does hold what sherd-verify must not.
"""
import os
import random
import subprocess
import sys

from harness import CONFLICT, NOT_FOUND, OK, ROOT, SANITIZER, TAMPERED, UNSUPPORTED, USAGE, main
from tlog import Key, Log, b64, has_mldsa, mldsa_vkey, sign

sys.path.insert(0, str(ROOT / "fuzz"))
from seeds import a_ledger, an_opening, evidence_seeds  # noqa: E402

ORIGIN = "sherd.example/log"
LOG = Key(ORIGIN, 1, b"\1" * 32)
WITNESSES = [Key(f"w{i}.example", 4, bytes([i]) * 32) for i in (2, 3, 4)]
LEAVES = [b"leaf %d" % i for i in range(700)]
DAY = 1767225600  # 2026-01-01


def a_log(count=700, witnesses=0):
    return Log(ORIGIN, LEAVES[:count], [(LOG, 0)] + [(key, DAY + i) for i, key in enumerate(WITNESSES[:witnesses])])


def write(box, name, data):
    box.path(name).write_bytes(data)
    return name


def ok(box, *args, says="", **options):
    done = box.run(*args, **options)
    line = done.stdout.decode()
    assert line.startswith("ok: ") and line.count("\n") == 1 and not done.stderr, (line, done.stderr)
    assert says in line, (says, line)


def fails(box, code, *args, says="", **options):
    done = box.run(*args, code=code, **options)
    lines = done.stderr.decode().splitlines()
    if code == USAGE:
        assert lines.pop() == "Try `sherd-verify --help`."
    assert len(lines) == 1 and lines[0].startswith("sherd-verify: ") and not done.stdout, (lines, done.stdout)
    assert says in lines[0], (says, lines)


def policy(box, quorum="2", logs=True):
    lines = [f"log {LOG.vkey}"] if logs else []
    lines += [f"witness {key.name} {key.vkey}" for key in WITNESSES]
    lines += [f"group g {quorum} " + " ".join(key.name for key in WITNESSES), "quorum g"]
    return write(box, "policy", ("\n".join(lines) + "\n").encode())


def test_verify_program__signs_as_rfc_8032_does(box):
    # Test 2 of section 7.1: the peer itself must be right.
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    assert sign(seed, b"\x72").hex().startswith("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da")
    assert box.dir.is_dir()


def test_verify_program__proofs(box):
    for count in (1, 2, 3, 8, 255, 256, 257, 700):
        log = a_log(count)
        for index in {0, count // 2, count - 1}:
            proof = write(box, "proof", log.proof(index, extra=b"beside" if index else b""))
            leaf = write(box, "leaf", LEAVES[index])
            ok(box, "proof", "--log-key", LOG.vkey, proof, leaf, says=f"leaf {index} of {ORIGIN}, of {count} leaves")
            ok(box, "proof", "--log-key", LOG.vkey, proof, "-", input=LEAVES[index])
            other = write(box, "other", b"another leaf")
            fails(box, TAMPERED, "proof", "--log-key", LOG.vkey, proof, other, says="does not lead")


def test_verify_program__changed_proofs(box):
    good = a_log(257, 2).proof(5)
    leaf = write(box, "leaf", LEAVES[5])
    names = policy(box)
    dice = random.Random(20260101)
    args = ["proof", "--log-key", LOG.vkey, "--policy", names]
    ok(box, *args, write(box, "proof", good), leaf)
    for _ in range(60):
        bad = bytearray(good)
        bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        fails(box, TAMPERED, *args, write(box, "proof", bytes(bad)), leaf)


def test_verify_program__the_policy_decides(box):
    leaf = write(box, "leaf", LEAVES[5])
    for quorum, needed in (("any", 1), ("2", 2), ("all", 3)):
        for witnesses in range(4):
            proof = write(box, "proof", a_log(300, witnesses).proof(5))
            args = ["proof", "--policy", policy(box, quorum), proof, leaf]
            if witnesses >= needed:
                ok(box, *args, says=f"cosigned by {witnesses} witness")
            else:
                fails(box, TAMPERED, *args, says="too few")
    proof = write(box, "proof", a_log(300, 3).proof(5))
    fails(box, USAGE, "proof", "--policy", policy(box, logs=False), proof, leaf, says="names no log")
    ok(box, "proof", "--policy", policy(box, logs=False), "--log-key", LOG.vkey, proof, leaf)
    stranger = Key("stranger", 1, b"\7" * 32)
    fails(box, TAMPERED, "proof", "--policy", policy(box), "--log-key", stranger.vkey, proof, leaf, says="not signed")
    fails(box, TAMPERED, "proof", "--log-key", stranger.vkey, proof, leaf, says="not signed")


def test_verify_program__checkpoints(box):
    log = a_log(12, 2)
    note = write(box, "checkpoint", log.checkpoint())
    ok(box, "checkpoint", "--log-key", LOG.vkey, note, says="of 12 leaves, root ")
    ok(box, "checkpoint", "--policy", policy(box), note, says="cosigned by 2 witnesses, last at 2026-01-01T00:00:01Z")
    late = Log(ORIGIN, LEAVES[:3], [(LOG, 0), (WITNESSES[0], 2**63 - 1)])
    ok(box, "checkpoint", "--policy", policy(box, "any"), write(box, "late", late.checkpoint()), says="last at ")
    odd = Key("evil\u0085[2J".replace("\u0085", "\u00b5"), 1, b"\6" * 32)
    note = write(box, "odd", Log(odd.name, [], [(odd, 0)]).checkpoint())
    ok(box, "checkpoint", "--log-key", odd.vkey, note, says="evil\\xc2\\xb5[2J, of 0 leaves")
    fails(box, TAMPERED, "checkpoint", "--log-key", LOG.vkey, write(box, "text", b"text\n"), says="no signed note")


def test_verify_program__a_second_key_must_have_signed(box):
    """A key of ML-DSA-44 that is given is asked for; where OpenSSL has none, that is said, and nothing is accepted."""
    note = write(box, "checkpoint", a_log(12).checkpoint())
    second = mldsa_vkey(ORIGIN, bytes(1312))
    code, says = (TAMPERED, "ML-DSA-44") if has_mldsa() else (UNSUPPORTED, "need OpenSSL 3.5")
    fails(box, code, "checkpoint", "--log-key", LOG.vkey, "--log-key", second, note, says=says)
    fails(box, code, "checkpoint", "--log-key", f"{second}\n{LOG.vkey}", note, says=says)
    both = write(box, "both", f"log {LOG.vkey}\nlog {second}\nquorum none\n".encode())
    fails(box, code, "checkpoint", "--policy", both, note, says=says)
    fails(box, code, "checkpoint", "--log-key", second, note, says="" if has_mldsa() else says)
    witnessed = write(box, "witnessed", a_log(9, 1).checkpoint())
    ok(box, "checkpoint", "--log-key", LOG.vkey, "--policy", policy(box, "any"), witnessed)
    fails(box, USAGE, "checkpoint", "--log-key", LOG.vkey, "--log-key", LOG.vkey, note, says="of ML-DSA-44")
    fails(box, USAGE, "checkpoint", *["--log-key", LOG.vkey * 30] * 4, note, says="too many keys")


def test_verify_program__consistency(box):
    for old, new in ((0, 5), (1, 2), (3, 7), (4, 8), (7, 7), (255, 257), (300, 700)):
        log = a_log(new, 1)
        files = [write(box, "old", log.checkpoint(old)), write(box, "new", log.checkpoint())]
        proof = write(box, "proof", log.growth(old))
        ok(box, "consistency", "--log-key", LOG.vkey, *files, proof, says=f"from {old} leaves on it only grew")
        whole = write(box, "whole", log.growth(old) + b"\n" + log.checkpoint())
        ok(box, "consistency", "--log-key", LOG.vkey, *files, whole)
        forked = Log(ORIGIN, [b"other"] + LEAVES[1:new], [(LOG, 0)])
        fork = write(box, "fork", forked.checkpoint())
        fails(box, CONFLICT if old in (0, new) else TAMPERED, "consistency", "--log-key", LOG.vkey,
              files[0] if old else fork, fork if old else files[1], proof)
        if old < new:
            fails(box, CONFLICT, "consistency", "--log-key", LOG.vkey, files[1], files[0], proof, says="cut: ")
        brought = write(box, "brought", log.growth(old) + b"\n" + forked.checkpoint())
        fails(box, TAMPERED, "consistency", "--log-key", LOG.vkey, *files, brought, says="another checkpoint")


def test_verify_program__whole_logs(box):
    for count in (0, 1, 255, 256, 257, 700):
        folder = box.path(f"log{count}")
        folder.mkdir()
        a_log(count, 2).export(folder)
        ok(box, "log", "--log-key", LOG.vkey, folder, says=f"all of {ORIGIN}, of {count} leaves")
        ok(box, "log", "--policy", policy(box), folder, says="cosigned by 2 witnesses")
    fails(box, NOT_FOUND, "log", "--log-key", LOG.vkey, box.path("none"))


def test_verify_program__each_byte_of_a_log(box):
    folder = box.path("log")
    folder.mkdir()
    a_log(300).export(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(files) == 6, files
    dice = random.Random(20260101)
    for path in files:
        for _ in range(6):
            offset = dice.randrange(path.stat().st_size)
            box.flip(path, offset)
            fails(box, TAMPERED, "log", "--log-key", LOG.vkey, folder)
            box.flip(path, offset)
        data = path.read_bytes()
        path.write_bytes(data[:-1])
        fails(box, TAMPERED, "log", "--log-key", LOG.vkey, folder)
        path.unlink()
        fails(box, NOT_FOUND if path.name == "checkpoint" else TAMPERED, "log", "--log-key", LOG.vkey, folder)
        path.write_bytes(data)
    ok(box, "log", "--log-key", LOG.vkey, folder)


def receipt(key, lines, name=None):
    text = ((name or key.name) + "\n" + "\n".join(lines) + "\n").encode()
    return text + b"\n" + key.line(text)


def test_verify_program__receipts(box):
    key = Key("sherd.ba304c07-1f91-4d9d-8d4f-017a04ef14ef/statement", 1, b"\5" * 32)
    head = ["statement entity-erased", "time 2026-11-22T04Z", "epoch 1", "salt " + "20" * 16]
    names = ["collection " + "90" * 32, "entity " + "d3" * 32]
    good = write(box, "receipt", receipt(key, head + names))
    ok(box, "receipt", "--key", key.vkey, good, says="entity-erased, stated at 2026-11-22T04Z by sherd.ba304c07")
    gone = ["statement key-destroyed"] + head[1:] + ["master-key default 1 " + "0a" * 16]
    facts = ["references 0", "destroyed 2026-11-22T04Z"]
    ok(box, "receipt", "--key", key.vkey, write(box, "gone", receipt(key, gone + facts)), says="1 name in it")
    ok(box, "receipt", "--key", key.vkey, write(box, "gone", receipt(key, gone[:-1] + ["store-key store:keys 1"] +
                                                                     facts[:1])), says="key-destroyed")
    other = Key(key.name, 1, b"\4" * 32)
    fails(box, TAMPERED, "receipt", "--key", other.vkey, good)
    bad = [
        receipt(key, ["statement all-is-well"] + head[1:] + names),
        receipt(key, head[1:] + names),
        receipt(key, head + ["entity d3d3"]),
        receipt(key, head + ["more " + "d3" * 32]),
        receipt(key, gone + ["references 1"]),
        receipt(key, gone[:-1] + facts),
        receipt(key, head + names, "sherd.other/statement"),
        receipt(Key("somebody", 1, b"\5" * 32), head + names),
    ]
    for text in bad:
        keys = key.vkey if b"somebody" not in text else Key("somebody", 1, b"\5" * 32).vkey
        fails(box, TAMPERED, "receipt", "--key", keys, write(box, "bad", text), says="no receipt")
    fails(box, USAGE, "receipt", good, says="--key")


def test_verify_program__receipts_of_a_ledger(box):
    log = a_ledger()
    args = ["receipt", "--log-key", log.keys[0][0].vkey]
    opened = an_opening(log.leaves[4], True, False)
    good = write(box, "good", log.proof(4, extra=opened))
    ok(box, *args, good, says="put of 22222222-2222-2222-2222-222222222222, version 1, at 2023-11-14T22:13:20Z, is lea")
    ok(box, "proof", *args[1:], good, says="leaf 4 of sherd.example/log, of 9 leaves: put, at 2023-11-14T22:13:20Z")
    fails(box, TAMPERED, *args, write(box, "bad", log.proof(4, extra=an_opening(log.leaves[4], digest=b"\x98" * 32))),
          says="not what it commits to")
    fails(box, TAMPERED, *args, write(box, "bad", log.proof(5, extra=opened)), says="does not lead")
    fails(box, TAMPERED, *args, write(box, "bad", log.proof(4)), says="shows no leaf")
    fails(box, TAMPERED, *args, write(box, "bad", log.proof(4, extra=an_opening(log.leaves[4], False, True))),
          says="does not say what")
    fails(box, USAGE, *args, "--key", LOG.vkey, good, says="--log-key or --policy")
    # Against what the log shows now: as it was, grown, cut, forked; as a checkpoint and as a directory.
    early = write(box, "early", log.proof(4, 6, opened))
    forked = a_ledger()
    forked.leaves[5] = b"another leaf"
    for name, now, size, code in (("same", log, 6, OK), ("grown", log, 9, OK), ("cut", log, 5, CONFLICT),
                                  ("forked", forked, 6, CONFLICT), ("forked-grown", forked, 9, CONFLICT)):
        shown = Log(now.origin, now.leaves[:size], now.keys)
        folder = box.path("log-" + name)
        folder.mkdir()
        shown.export(folder)
        for what in (folder, folder / "checkpoint"):
            if code == OK:
                growth = ["--growth", write(box, "growth", log.growth(6, size))]
                ok(box, *args, "--against", what, *growth, early, says="only grew since")
            elif name == "forked-grown" and what != folder:  # a proof that it grew cannot be made
                growth = write(box, "growth", now.growth(6, size))
                fails(box, TAMPERED, *args, "--against", what, "--growth", growth, early)
            else:
                fails(box, CONFLICT, *args, "--against", what, early, says=name.split("-", maxsplit=1)[0] + ": ")


def test_verify_program__evidence(box):
    args = ["evidence", "--log-key", a_ledger().keys[0][0].vkey]
    for name, data in evidence_seeds():
        path = write(box, name, data)
        if name in ("three", "one", "none", "actor"):
            ok(box, *args, path, says=" about ")
        else:
            fails(box, TAMPERED, *args, path, says="not about" if name == "other" else "order of the log")


def test_verify_program__usage(box):
    done = box.run("--help")
    page = (ROOT / "docs" / "man" / "sherd-verify.1.scd").read_text(encoding="utf-8")
    for word in ["proof", "checkpoint", "consistency", "log", "receipt", "evidence", "--log-key", "--policy", "--key",
                 "--against", "--growth", "--record", "--list", "--version"]:
        assert word in done.stdout.decode() and f"*{word}*" in page, word
    assert box.run("--version").stdout.startswith(b"sherd-verify ")
    note = write(box, "note", a_log(3).checkpoint())
    fails(box, USAGE, says="a command is needed")
    fails(box, USAGE, "prove", says="no such command")
    fails(box, USAGE, "checkpoint", "--strange", note, says="no such option")
    fails(box, USAGE, "checkpoint", "--policy", says="an option needs an argument")
    fails(box, USAGE, "checkpoint", note, says="whom to believe")
    fails(box, USAGE, "checkpoint", "--log-key", LOG.vkey, says="FILE is expected")
    fails(box, USAGE, "checkpoint", "--log-key", LOG.vkey, note, note, says="FILE is expected")
    fails(box, USAGE, "checkpoint", "--key", LOG.vkey, note, says="does not take")
    fails(box, USAGE, "receipt", "--log-key", LOG.vkey, note, says="with --key alone")
    fails(box, USAGE, "checkpoint", "--log-key", LOG.vkey, "--against", note, note, says="does not take")
    fails(box, USAGE, "evidence", "--log-key", LOG.vkey, "--record", "x", note, says="does not take")
    fails(box, USAGE, "receipt", "--log-key", LOG.vkey, "--growth", note, note, says="--against")
    fails(box, USAGE, "checkpoint", "--log-key", "nonsense", note, says="no public key")
    fails(box, UNSUPPORTED, "checkpoint", "--log-key", "a+00000000+" + b64(b"\x09" + bytes(1312)), note)
    fails(box, USAGE, "checkpoint", "--policy", write(box, "bad", b"quorum x\n"), note, says="policy, line 1")
    fails(box, NOT_FOUND, "checkpoint", "--log-key", LOG.vkey, "missing")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(box.command("checkpoint", "--log-key", LOG.vkey, note), cwd=box.dir, check=False,
                              stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and not SANITIZER.search(done.stderr) and b"cannot be written" in done.stderr
    box.run("checkpoint", "--log-key", LOG.vkey, note, code=OK)


# What only the vault has.
VAULT = ["sherd_store_", "sherd_compartment_", "sherd_anchor_", "sherd_vault_", "sherd_record_", "sherd_keyring_",
         "sherd_assets_", "sherd_kms_", "sherd_seal_", "mdb_"]


def names_in(program):
    done = subprocess.run(["nm", program], check=True, capture_output=True, text=True)
    return {line.split()[-1] for line in done.stdout.splitlines()}


def test_verify_program__holds_nothing_of_the_vault(box):
    names = names_in(box.program)
    assert "sherd_checkpoint_verify" in names
    assert not [name for name in names if name.startswith(tuple(VAULT))]
    libraries = subprocess.run(["ldd", box.program], check=True, capture_output=True, text=True).stdout
    assert "libcrypto" in libraries and "lmdb" not in libraries and "jansson" not in libraries, libraries
    if "SHERD_PROGRAM" in os.environ:  # the names are such that the vault has them
        vault = names_in(os.environ["SHERD_PROGRAM"])
        for prefix in VAULT[:6]:
            assert any(name.startswith(prefix) for name in vault), prefix


if __name__ == "__main__":
    main(globals())
