#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad configurations and command lines, in one table: each ends with its exit code and one line that says what is wrong
or what to do, prints nothing else, and changes nothing on the disk. More of them, where it takes some steps to get
there, stand in the tests of what they belong to."""
import hashlib
import os
import resource
import shutil
import stat

from harness import (BUSY, CONFLICT, DENIED, FAILURE, NOT_FOUND, TAMPERED, UNSUPPORTED, USAGE, OneOf, main)

NOBODY = 65534
ABSENT = "7f3e1c1e-6b7b-4c6e-9a27-0c2b9f0f7f11"
RECORD = "the record's UUID"
KEY = ["--vault", "vault", "--key-file", "my.key"]
PASSPHRASE = ["--vault", "vault", "--passphrase-file"]
NEW = ["--vault", "new", "--key-file", "my.key", "init"]
SHARES = ["--vault", "new", "init", "--shares-out", "out"]
THREE = [*SHARES, "--shares", "3", "--threshold", "2"]
ABC = [*THREE, "--holders", "a,b,c"]
BY_SHARES = ["--vault", "vault"]
STORE = ["--key-store", "keys.p12", "--key-store-password-file", "pass"]


def chmod(path, mode):
    return lambda box: os.chmod(box.path(path), mode)


def write(path, text, mode=0o600):
    def prepare(box):
        box.path(path).write_text(text)
        os.chmod(box.path(path), mode)
    return prepare


def move(path, to):
    return lambda box: box.path(path).rename(box.path(to))


def folder(path, mode=0o700):
    return lambda box: box.path(path).mkdir(mode)


def environment(name, value):
    return lambda box: box.env.update({name: value})


def fill_disk(box):
    """As a full disk does, a limit ends each file that grows."""
    box.options["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def as_nobody(box):
    """Root may write everywhere."""
    if os.geteuid() == 0:
        os.chown(box.path("my.key"), NOBODY, NOBODY)
        box.program = shutil.copy(box.program, box.path("sherd"))  # which need not be reached where it was built
        for path in [box.dir.parent, box.dir]:
            os.chmod(path, 0o755)
        box.options.update(user=NOBODY, group=NOBODY, extra_groups=[])


# condition, arguments, exit code, what the line says, what is done before
NO_VAULT = [
    ("more shares are needed than there are", [*SHARES, "--shares", "3", "--threshold", "4"], USAGE,
     "4 shares cannot be needed where there are only 3"),
    ("one share is enough", [*SHARES, "--shares", "3", "--threshold", "1"], USAGE, "2 shares or more must be needed"),
    ("no share is needed", [*SHARES, "--shares", "3", "--threshold", "0"], USAGE, "2 shares or more must be needed"),
    ("one share, and no word of copies", [*SHARES, "--shares", "1", "--threshold", "1"], USAGE, "2 shares or more"),
    ("no threshold", [*SHARES, "--shares", "3"], USAGE, "--threshold K"),
    ("too many shares", [*SHARES, "--shares", "256", "--threshold", "2"], USAGE, "not a number of 1 to 255"),
    ("no shares", [*SHARES, "--shares", "0", "--threshold", "2"], USAGE, "--shares"),
    ("shares that are no number", [*SHARES, "--shares", "x", "--threshold", "2"], USAGE, "--shares"),
    ("a threshold of nothing", [*SHARES, "--threshold", "2"], USAGE, "go with --shares"),
    ("one part", [*SHARES, "--parts", "1"], USAGE, "--parts"),
    ("shares and parts", [*THREE, "--parts", "3"], USAGE, "two ways"),
    ("parts with a threshold", [*SHARES, "--parts", "3", "--threshold", "2"], USAGE, "go with --shares"),
    ("a holder twice", [*THREE, "--holders", "a,b,a"], USAGE, "the holder a is named twice"),
    ("too few holders", [*THREE, "--holders", "a,b"], USAGE, "names 2, and there are 3"),
    ("a holder without a name", [*THREE, "--holders", "a,,b"], USAGE, "a name is empty"),
    ("a holder who is a path", [*THREE, "--holders", "a,b,../c"], USAGE, "a holder's name"),
    ("shares and a key file", [*THREE, "--key-file", "my.key"], USAGE, "one seal"),
    ("shares and a passphrase", [*THREE, "--passphrase-file", "pass"], USAGE, "one seal"),
    ("a recipient who holds nothing", [*ABC, "--share-recipient", "d=age1x"], USAGE, "HOLDER="),
    ("a recipient without a key", [*ABC, "--share-recipient", "a=age1x"], USAGE, "no public key of age"),
    ("a holder with two passphrases", [*ABC, "--share-passphrase-file", "a=pass", "--share-passphrase-file", "a=pass"],
     USAGE, "named twice"),
    ("a token without its module", [*ABC, "--share-token", "a=pkcs11:token=a"], OneOf(USAGE, UNSUPPORTED), ""),
    ("shares that are given, not made", [*SHARES, "--share-file", "pass"], USAGE, "--shares"),
    ("holders of no shares", [*SHARES, "--holders", "a,b,c", "--key-file", "my.key"], USAGE, "--holders goes with"),
    ("shares that go nowhere", ["--vault", "new", "init", "--shares", "3", "--threshold", "2"], USAGE,
     "where do the shares go?"),
    ("a file where shares go", ["--vault", "new", "init", "--shares", "3", "--threshold", "2", "--shares-out", "pass"],
     USAGE, "pass"),
    ("a share is there already", THREE, CONFLICT, "never overwritten",
     [folder("out"), write("out/share-2.txt", "mine")]),
    ("no vault is named", ["ls"], USAGE, "give --vault DIR or set SHERD_VAULT"),
    ("the named vault is not there", [*KEY, "ls"], NOT_FOUND, "sherd init"),
    ("the vault's place is taken by a file", ["--vault", "pass", "--key-file", "my.key", "init"], CONFLICT,
     "name another one"),
    ("the vault's place is not empty", NEW, CONFLICT, "not empty: name another",
     [folder("new"), write("new/mine", "")]),
    ("nothing is where the vault is to lie", ["--vault", "a/b/new", "--key-file", "my.key", "init"], FAILURE,
     "make it first"),
    ("an engine that there is not", [*NEW, "--engine", "disk"], UNSUPPORTED, "no engine"),
    ("an engine that keeps nothing", [*NEW, "--engine", "memory"], UNSUPPORTED, "name an engine that keeps files"),
    ("no terminal for a passphrase", ["--vault", "new", "init"], USAGE, "--passphrase-file"),
    ("two ways to unseal", [*NEW, "--passphrase-file", "pass"], USAGE, "give one of"),
    ("two sources of the passphrase", ["--vault", "new", "--passphrase-file", "pass", "--passphrase-fd", "0", "init"],
     USAGE, "give one of"),
    ("an empty passphrase", ["--vault", "new", "--passphrase-file", "empty", "init"], USAGE, "empty",
     [write("empty", "\n")]),
    ("a passphrase that is none", ["--vault", "new", "--passphrase-file", "long", "init"], USAGE, "1024 bytes",
     [write("long", "x" * 1025)]),
    ("a descriptor that is not open", ["--vault", "new", "--passphrase-fd", "77", "init"], FAILURE, "passphrase"),
    ("a descriptor that is no number", ["--vault", "new", "--passphrase-fd", "x", "init"], USAGE, "--passphrase-fd"),
    ("a passphrase on the command line", [*NEW, "--passphrase", "secret"], USAGE, "never taken from the command line"),
    ("a key file that others may read", NEW, USAGE, "chmod 600", [chmod("my.key", 0o640)]),
    ("a key file that all may read", NEW, USAGE, "chmod 600", [chmod("my.key", 0o604)]),
    ("a key file that is not there", ["--vault", "new", "--key-file", "absent", "init"], FAILURE, "absent"),
    ("a key file that is a directory", ["--vault", "new", "--key-file", ".", "init"], FAILURE, "directory"),
    ("a key file that is empty", NEW, USAGE, "empty", [write("my.key", "")]),
    ("a key file that is none", NEW, USAGE, "", [write("my.key", "x" * 60)]),
    ("a key file that would be overwritten", ["keygen", "my.key"], CONFLICT, "never overwritten"),
    ("a key file without a place", ["keygen", "a/b.key"], FAILURE, "a/b.key"),
    ("two kinds of keys", ["keygen", "--pair", "--recipient", "x"], USAGE, "--pair"),
    ("a key store without its password", [*NEW, "--key-store", "k.p12"], USAGE, "password"),
    ("a password without a key store", [*NEW, "--key-store-password-file", "pass"], USAGE, "--key-store"),
    ("a PKCS#12 file in FIPS mode", [*NEW, "--fips", "--key-store", "k.p12", "--key-store-password-file", "pass"],
     UNSUPPORTED, "FIPS"),
    ("files of age in FIPS mode", [*ABC, "--fips", "--share-passphrase-file", "a=pass", "--share-recipient",
                                   "b=age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"], UNSUPPORTED,
     "FIPS"),
    ("a directory that cannot be written", ["--vault", "locked/new", "--key-file", "my.key", "init"], FAILURE,
     "beside locked/new", [folder("locked", 0o555), as_nobody]),
    ("a disk that is full", NEW, OneOf(FAILURE, BUSY), "", [fill_disk]),
    ("no command", [], USAGE, "no command"),
    ("a command that there is not", ["frobnicate"], USAGE, "frobnicate"),
    ("an option that there is not", ["ls", "--frobnicate"], USAGE, "--frobnicate"),
    ("a letter that is no option", ["ls", "-X"], USAGE, "-X"),
    ("a value is missing", ["ls", "--limit"], USAGE, "--limit needs an argument"),
    ("a value where none belongs", ["ls", "--json=1"], USAGE, "--json"),
    ("an operand is missing", ["rm"], USAGE, "UUID"),
    ("an operand too many", ["info", "x"], USAGE, "too many operands"),
]

WITH_KEY_FILE = [
    ("a vault is there already", ["--vault", "vault", "--key-file", "my.key", "init"], CONFLICT,
     "not empty: name another"),
    ("a vault that others may write", [*KEY, "ls"], DENIED, "chmod go-w", [chmod("vault", 0o777)]),
    ("a vault that the group may write", [*KEY, "ls"], DENIED, "chmod go-w", [chmod("vault", 0o770)]),
    ("another key file", ["--vault", "vault", "--key-file", "other.key", "ls"], DENIED, ""),
    ("a passphrase where none seals", [*PASSPHRASE, "pass", "ls"], DENIED, ""),
    ("a file where the vault should be", ["--vault", "pass", "--key-file", "my.key", "ls"], FAILURE, "pass"),
    ("a compartment is missing", [*KEY, "ls"], OneOf(FAILURE, TAMPERED, NOT_FOUND), "assets",
     [move("vault/assets", "gone")]),
    ("a vault of the future", [*KEY, "ls"], UNSUPPORTED, "format",
     [write("vault/sherd.vault", "sherd vault\nformat 9\nengine lmdb\n")]),
    ("the last seal is removed", [*KEY, "seals", "remove", "1"], DENIED, "the last seal"),
    ("a seal that there is not", [*KEY, "seals", "remove", "7"], NOT_FOUND, "no seal 7"),
    ("a seal of nothing", [*KEY, "seals", "add"], USAGE, "give one of"),
    ("the last active version is retired", [*KEY, "key", "retire", "default", "1"], CONFLICT, "activate"),
    ("an active version is destroyed", [*KEY, "key", "destroy", "default", "1"], CONFLICT, "retire"),
    ("a version that there is not", [*KEY, "key", "retire", "default", "9"], NOT_FOUND, ""),
    ("a generator that there is not", [*KEY, "key", "activate", "x", "--generator", "dice"], UNSUPPORTED, "dice"),
    ("a store that there is not", [*KEY, "key", "activate", "x", "--store", "cloud"], UNSUPPORTED, "cloud"),
    ("an argument that there is not", [*KEY, "key", "activate", "x", "--arg", "colour=red"], USAGE, "colour"),
    ("an argument without a value", [*KEY, "key", "activate", "x", "--arg", "nonsense"], USAGE, ""),
    ("stripes over no places", [*KEY, "key", "activate", "x", "--store", "stripe", "--arg", "places=nowhere"], USAGE,
     "nowhere"),
    ("a master key's name", [*KEY, "key", "activate", "Upper Case"], USAGE, "a-z"),
    ("a collection of a key that is not there", [*KEY, "collection", "create", "c", "--key", "none"], NOT_FOUND,
     "no such key"),
    ("a collection of a master key that is not there", [*KEY, "collection", "create", "c", "--master-key", "none"],
     NOT_FOUND, "`sherd key activate`"),
    ("rules that there are not", [*KEY, "collection", "create", "c", "--entity-keys", "odd"], USAGE, "derived"),
    ("the rules of a collection change", [*KEY, "collection", "show", "default", "--versions-kept", "3"], USAGE,
     "do not change"),
    ("a collection that is not there", [*KEY, "put", "my.key", "--collection", "none"], NOT_FOUND, "no collection"),
    ("an entity without an id", [*KEY, "put", "my.key", "--entity", ""], USAGE, "--entity"),
    ("an entity's id that is too long", [*KEY, "put", "my.key", "--entity", "x" * 129], USAGE, "128 bytes"),
    ("a key without a name", [*KEY, "put", "my.key", "--key", ""], USAGE, "--key"),
    ("an entity that there is not", [*KEY, "entity", "erase", "nobody"], NOT_FOUND, ""),
    ("a receipt that cannot be written", [*KEY, "entity", "erase", "pat", "--receipt", "a/b"], FAILURE, "a/"),
    ("a receipt in the vault", [*KEY, "epoch", "roll", "--receipt", "vault/receipt"], USAGE, "inside a vault"),
    ("a receipt that is there already", [*KEY, "rm", RECORD, "--receipt", "b1"], CONFLICT, "replaces nothing"),
    ("a receipt in a directory that is not there", [*KEY, "rekey", "--receipt", "a/b"], FAILURE, "a/"),
    ("rights that there are not", [*KEY, "key", "grant", "pay", "alice", "own"], USAGE, "read, write and manage"),
    ("a grant to nobody", [*KEY, "key", "grant", "pay", "nobody", "read"], NOT_FOUND, "no such user"),
    ("a user's name", [*KEY, "user", "create", "A b", "--new-passphrase-file", "pass"], USAGE, "a-z"),
    ("a user who is there already", [*KEY, "user", "create", "alice", "--public-key", "alice.pub"], CONFLICT,
     "of that name"),
    ("a user who shows nothing", [*KEY, "--user", "alice", "ls"], USAGE, "--user-key"),
    ("a file that is not there", [*KEY, "put", "absent"], NOT_FOUND, "absent"),
    ("a directory as a record", [*KEY, "put", "."], USAGE, "sherd import"),
    ("a record that is none", [*KEY, "get", "x"], USAGE, "UUID"),
    ("a record that there is not", [*KEY, "get", ABSENT], NOT_FOUND, "no such record"),
    ("a recipient that is none", [*KEY, "put", "my.key", "--to", "age1x"], USAGE, "public key"),
    ("a number out of range", [*KEY, "ls", "--limit", "0"], USAGE, "not a number of 1 to"),
    ("a number that is too large", [*KEY, "ls", "--limit", "9" * 30], USAGE, "not a number of 1 to"),
    ("a number that goes on", [*KEY, "ls", "--limit", "1x"], USAGE, "not a number of 1 to"),
    ("everything and one entity", [*KEY, "rekey", "--all", "--entity", "pat"], USAGE, "--all"),
    ("no rate", [*KEY, "rekey", "--rate", "0"], USAGE, "--rate"),
    ("half a command", [*KEY, "epoch"], USAGE, "epoch roll"),
    ("a backup into the vault", [*KEY, "backup", "vault/backup"], USAGE, "inside a vault"),
    ("a backup below the vault", [*KEY, "backup", "vault/secrets/blobs/backup"], USAGE, "inside a vault"),
    ("a backup that replaces something", [*KEY, "backup", "b1"], CONFLICT, "replaces nothing"),
    ("an epoch's key in the vault", [*KEY, "backup", "--epoch-key", "vault/epoch"], USAGE, "inside a vault"),
    ("contents into the vault", [*KEY, "get", RECORD, "-o", "vault/x"], USAGE, "inside a vault"),
    ("an export into the vault", [*KEY, "export", "vault"], USAGE, "inside a vault"),
    ("an entity's export into the vault", [*KEY, "entity", "export", "pat", "vault/secrets/pat"], USAGE,
     "inside a vault"),
    ("the vault as its own contents", [*KEY, "import", "vault"], USAGE, "the vault itself"),
    ("a vault is restored over another", [*KEY, "restore", "b1", "vault"], CONFLICT, "not empty: name another"),
    ("a backup that is not there", [*KEY, "restore", "absent", "new"], NOT_FOUND, "absent"),
    ("a backup that is none", [*KEY, "restore", "my.key", "new"], USAGE, "no backup"),
    ("a receipt that is not there", [*KEY, "receipt", "verify", "absent"], NOT_FOUND, "absent"),
    ("an idle limit that is no time", [*KEY, "unseal", "--idle", "soon"], USAGE, "15m"),
    ("a runtime folder that is too long", [*KEY, "unseal"], BUSY, "set XDG_RUNTIME_DIR to a shorter one",
     [environment("XDG_RUNTIME_DIR", "/" + "x" * 100)]),
    ("a runtime folder that is not there", [*KEY, "unseal"], FAILURE, "XDG_RUNTIME_DIR",
     [environment("XDG_RUNTIME_DIR", "/absent")]),
    ("a runtime folder of everybody", [*KEY, "unseal"], DENIED, "only you can write",
     [folder("sherd"), chmod("sherd", 0o777)]),
]

WITH_SHARES = [
    ("too few shares", [*BY_SHARES, "--share-file", "out/share-1.txt", "ls"], DENIED, "1 of 2 shares"),
    ("a share twice", [*BY_SHARES, "--share-file", "out/share-1.txt", "--share-file", "out/share-1.txt", "ls"], USAGE,
     "given twice"),
    ("a share of another vault", [*BY_SHARES, "--share-file", "out/share-1.txt", "--share-file", "others/share-2.txt",
                                  "ls"], DENIED, "of another set"),
    ("a share that others may read", [*BY_SHARES, "--share-file", "out/share-1.txt", "ls"], USAGE, "chmod 600",
     [chmod("out/share-1.txt", 0o644)]),
    ("a share that is none", [*BY_SHARES, "--share-file", "pass", "ls"], USAGE, "share"),
    ("a share that is not there", [*BY_SHARES, "--share-file", "absent", "ls"], NOT_FOUND, "absent"),
    ("a PIN without a share", [*BY_SHARES, "--pin-file", "pass", "ls"], USAGE, "--share-file"),
    ("shares that go into the vault", [*BY_SHARES, "rekey-shares", "--share-file", "out/share-1.txt", "--share-file",
                                       "out/share-2.txt", "--shares-out", "vault/anchor"], USAGE, "inside a vault"),
    ("shares and a key file", [*KEY, "--share-file", "out/share-1.txt", "ls"], USAGE, "give one of"),
    ("nobody to ask for shares", [*BY_SHARES, "ls"], USAGE, "--share-file"),
    ("no new shares to confirm", [*BY_SHARES, "rekey-shares", "--confirm", "out/share-1.txt"], NOT_FOUND,
     "no new shares"),
]

WITH_KEY_STORE = [
    ("no password of the key store", [*KEY, "ls"], DENIED, "--key-store-password-file"),
    ("another password", [*KEY, "ls", "--key-store-password-file", "my.key"], DENIED, "password"),
    ("the key store is gone", [*KEY, "ls", *STORE], FAILURE, "missing",
     [move("keys.p12", "away.p12")]),
    ("the key store is damaged", [*KEY, "ls", *STORE], TAMPERED, "keys.p12",
     [write("keys.p12", "no key store")]),
    ("the key store is turned off", [*KEY, "key", "protection", "use-keyring", *STORE], DENIED, "never turned off"),
    ("two sources of its password", [*KEY, "ls", *STORE, "--key-store-password-fd", "0"], USAGE, "one of"),
    ("its password on the command line", [*KEY, "ls", "--key-store-password", "word"], USAGE, "command line"),
]

WITH_FIPS = [
    ("a recipient that is not approved", [*KEY, "put", "my.key", "--to",
                                          "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"],
     UNSUPPORTED, "X25519 is not approved"),
    ("a key store that is not approved", [*KEY, "key", "protection", "use-key-store", "--key-store", "k.p12",
                                          "--key-store-password-file", "pass"], UNSUPPORTED, "FIPS"),
]


def files(box):
    write("pass", "correct horse\n")(box)
    box.run("keygen", "my.key")


def with_key_file(box):
    files(box)
    box.run("keygen", "other.key")
    box.run(*KEY, "init")
    box.record = box.run(*KEY, "put", "-", "--entity", "pat", input=b"contents").stdout.decode().strip()
    box.run(*KEY, "backup", "b1")
    box.run("keygen", "--pair", "alice")
    box.run(*KEY, "user", "create", "alice", "--public-key", "alice.pub")
    box.run(*KEY, "key", "create", "pay")


def with_shares(box):
    files(box)
    for vault, out in [("vault", "out"), ("second", "others")]:
        box.run("--vault", vault, "init", "--shares", "3", "--threshold", "2", "--shares-out", out)


def with_key_store(box):
    files(box)
    box.run(*KEY, "init", "--key-store", "keys.p12", "--key-store-password-file", "pass")


def with_fips(box):
    files(box)
    box.run(*KEY, "init", "--fips")


def digest(root):
    """Of all that lies below a directory: names, kinds, modes and contents. What the engine writes while it only reads,
    its table of readers, is no change."""
    total = hashlib.sha256()
    for parent, folders, names in os.walk(root):
        folders.sort()
        for name in sorted([*folders, *names]):
            path = os.path.join(parent, name)
            info = os.lstat(path)
            total.update(f"{os.path.relpath(path, root)} {stat.S_IFMT(info.st_mode)} {info.st_mode}\n".encode())
            if stat.S_ISREG(info.st_mode) and name != "lock.mdb":
                with open(path, "rb") as file:
                    total.update(hashlib.sha256(file.read()).digest())
    return total.hexdigest()


def check(box, row):
    """The mistake itself, in a directory that is as it was made: each one leaves it so."""
    condition, args, code, says, *_ = row
    try:
        before = digest(box.dir)
        done = box.run(*(box.record if arg == RECORD else arg for arg in args), code=code, **box.options)
        box.one_line(done, says)
        assert done.stdout == b"", done.stdout
        assert digest(box.dir) == before, "something was changed"
    except BaseException:
        print(f"the mistake: {condition}: {args}")
        raise


def remove(path):
    for parent, folders, _ in os.walk(path):
        for name in folders:
            os.chmod(os.path.join(parent, name), 0o700)
    shutil.rmtree(path)


def table(box, fill, rows):
    def box_at(name):
        one = type(box)(box.program, box.dir / name)
        one.options = {"start_new_session": True}  # and so without a terminal
        one.env = {**box.env, "XDG_RUNTIME_DIR": str(one.dir)}
        return one

    scene = box_at("scene")
    scene.dir.mkdir()
    fill(scene)
    for row in rows:
        if len(row) == 4:
            check(scene, row)
            continue
        copy = box_at("row")  # something is to be done before
        shutil.copytree(scene.dir, copy.dir, symlinks=True)
        for prepare in row[4]:
            prepare(copy)
        check(copy, row)
        remove(copy.dir)


def test_operator_mistakes__are_many(_):
    rows = [*NO_VAULT, *WITH_KEY_FILE, *WITH_SHARES, *WITH_KEY_STORE, *WITH_FIPS]
    assert len(rows) >= 40
    assert len({tuple(map(str, row[1:3])) + (row[0],) for row in rows}) == len(rows)


def test_operator_mistakes__where_no_vault_is(box):
    table(box, files, NO_VAULT)


def test_operator_mistakes__with_a_vault(box):
    table(box, with_key_file, WITH_KEY_FILE)


def test_operator_mistakes__with_shares(box):
    table(box, with_shares, WITH_SHARES)


def test_operator_mistakes__with_a_key_store(box):
    table(box, with_key_store, WITH_KEY_STORE)


def test_operator_mistakes__in_fips_mode(box):
    table(box, with_fips, WITH_FIPS)


if __name__ == "__main__":
    main(globals())
