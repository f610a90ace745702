#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast is the command? Put and get of a 1 GB file against age, gpg, restic and gocryptfs on the same file, and the
wall time of `sherd get` of a small record from a cold start.

bench_cli.py SHERD [--dir DIR] [--rounds N] [--records N] [--bytes N]

Peers run as they come: age to a recipient, gpg --symmetric with its defaults (it compresses), restic with a repository
on the same disk, gocryptfs mounted, and mounted anew before it reads. A time ends when the output is flushed. The file
lies in the page cache. One JSON line a figure.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SMALL = b"a small record: " * 64
COLD_STARTS = 21


def run(*command, stdin=None, env=None):
    """Run a command and return what it says; its failure ends the benchmark."""
    done = subprocess.run(command, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=env, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode().strip()


def flush(path):
    """Make a file durable, or all files of a tree."""
    paths = [path] if os.path.isfile(path) else [os.path.join(at, name) for at, _, names in os.walk(path)
                                                for name in names]
    for name in paths:
        fd = os.open(name, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)


def timed(function):
    start = time.monotonic()
    function()
    return time.monotonic() - start


class Peer:
    """Puts a file, gets it back, and forgets it. put() and get() end flushed."""

    name = "?"

    def __init__(self, folder, source):
        self.folder = os.path.join(folder, self.name)
        self.source = source
        self.out = os.path.join(folder, self.name + ".out")
        os.mkdir(self.folder)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def forget(self):
        for path in (self.out, self.path("sealed")):
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.unlink(path)

    def before_get(self):
        pass

    def close(self):
        pass


class Sherd(Peer):
    name = "sherd"

    def __init__(self, folder, source, program):
        super().__init__(folder, source)
        self.key = os.path.join(folder, "vault.key")
        self.command = [program, "--vault", self.path("vault"), "--key-file", self.key, "--quiet"]
        run(program, "keygen", self.key)
        run(*self.command, "init")
        self.id = None

    def put(self):
        self.id = run(*self.command, "put", self.source)

    def get(self):
        run(*self.command, "get", self.id, "-o", self.out)
        flush(self.out)

    def forget(self):
        super().forget()
        if self.id:
            run(*self.command, "rm", self.id)
        self.id = None


class Age(Peer):
    name = "age"

    def __init__(self, folder, source):
        super().__init__(folder, source)
        run("age-keygen", "-o", self.path("key"))
        self.recipient = run("age-keygen", "-y", self.path("key"))

    def put(self):
        run("age", "-r", self.recipient, "-o", self.path("sealed"), self.source)
        flush(self.path("sealed"))

    def get(self):
        run("age", "-d", "-i", self.path("key"), "-o", self.out, self.path("sealed"))
        flush(self.out)


class Gpg(Peer):
    name = "gpg"

    def __init__(self, folder, source):
        super().__init__(folder, source)
        with open(self.path("passphrase"), "w", encoding="ascii") as file:
            file.write("correct horse battery staple\n")
        os.mkdir(self.path("home"), 0o700)
        self.command = ["gpg", "--homedir", self.path("home"), "--batch", "--quiet", "--pinentry-mode", "loopback",
                        "--passphrase-file", self.path("passphrase")]

    def put(self):
        run(*self.command, "--symmetric", "-o", self.path("sealed"), self.source)
        flush(self.path("sealed"))

    def get(self):
        run(*self.command, "--decrypt", "-o", self.out, self.path("sealed"))
        flush(self.out)

    def close(self):
        subprocess.run(["gpgconf", "--homedir", self.path("home"), "--kill", "all"], stderr=subprocess.DEVNULL,
                       check=False)


class Restic(Peer):
    name = "restic"

    def __init__(self, folder, source):
        super().__init__(folder, source)
        self.env = dict(os.environ, RESTIC_PASSWORD="correct horse battery staple",
                        RESTIC_CACHE_DIR=self.path("cache"))

    def restic(self, *arguments):
        return run("restic", "-q", "-r", self.path("sealed"), *arguments, env=self.env)

    def put(self):
        self.restic("backup", self.source)
        flush(self.path("sealed"))

    def get(self):
        self.restic("restore", "latest", "--target", self.out)
        flush(self.out)

    def forget(self):
        super().forget()
        shutil.rmtree(self.path("cache"), ignore_errors=True)
        self.restic("init")


class Gocryptfs(Peer):
    name = "gocryptfs"

    def __init__(self, folder, source):
        super().__init__(folder, source)
        for name in ("cipher", "plain"):
            os.mkdir(self.path(name))
        with open(self.path("passphrase"), "w", encoding="ascii") as file:
            file.write("correct horse battery staple\n")
        self.passphrase = ["-q", "-passfile", self.path("passphrase")]
        run("gocryptfs", "-init", *self.passphrase, self.path("cipher"))
        self.mounted = False
        self.mount()

    def mount(self):
        self.close()
        run("gocryptfs", *self.passphrase, self.path("cipher"), self.path("plain"))
        self.mounted = True

    def close(self):
        if self.mounted:
            run("fusermount", "-u", self.path("plain"))
        self.mounted = False

    def put(self):
        run("cp", self.source, self.path("plain", "file"))
        flush(self.path("plain", "file"))

    def before_get(self):
        self.mount()

    def get(self):
        run("cp", self.path("plain", "file"), self.out)
        flush(self.out)

    def forget(self):
        super().forget()
        if os.path.exists(self.path("plain", "file")):
            os.unlink(self.path("plain", "file"))


def report(name, value, unit, **rest):
    print(json.dumps({"bench": "cli", "name": name, "value": round(value, 3), "unit": unit, **rest}), flush=True)


def round_of(peer, size):
    """One put and one get, in MB/s; the get is checked."""
    peer.forget()
    os.sync()
    put = size / timed(peer.put) / 1e6
    peer.before_get()
    os.sync()
    got = size / timed(peer.get) / 1e6
    restored = peer.out if os.path.isfile(peer.out) else os.path.join(peer.out, peer.source.lstrip("/"))
    run("cmp", restored, peer.source)
    peer.forget()
    return {"put": put, "get": got}


def peers_of(folder, source):
    for kind in (Age, Gpg, Restic, Gocryptfs):
        try:
            yield kind(folder, source)
        except (SystemExit, FileNotFoundError) as reason:
            for what in ("put", "get"):
                print(json.dumps({"bench": "cli", "name": f"{what} of a file", "limit": kind.name,
                                  "unavailable": str(reason)}), flush=True)


def measure_files(folder, program, size, rounds):
    source = os.path.join(folder, "source")
    with open(source, "wb") as file:
        for left in range(size, 0, -(1 << 20)):
            file.write(os.urandom(min(left, 1 << 20)))
    flush(source)
    ours = Sherd(folder, source, program)
    peers = list(peers_of(folder, source))
    rates = {peer.name: {"put": [], "get": []} for peer in [ours, *peers]}
    try:
        for _ in range(rounds):
            for peer in [ours, *peers]:
                for what, rate in round_of(peer, size).items():
                    rates[peer.name][what].append(rate)
    finally:
        for peer in peers:
            peer.close()
    for what in ("put", "get"):
        for peer in peers:
            ratio = statistics.median(a / b for a, b in zip(rates[ours.name][what], rates[peer.name][what]))
            report(f"{what} of a file of {size / 1e6:.0f} MB", statistics.median(rates[ours.name][what]), "MB/s",
                   limit=peer.name, limit_value=round(statistics.median(rates[peer.name][what]), 3),
                   ratio=round(ratio, 3), wanted="ratio > 1", **{"pass": ratio > 1})
    os.unlink(source)


def measure_cold(folder, program, records):
    """Wall time of a process that gets one record, in a fresh vault and in one of many records."""
    source = os.path.join(folder, "small")
    with open(source, "wb") as file:
        file.write(SMALL)
    for count, name in ((1, "few"), (records, "many")):
        os.mkdir(os.path.join(folder, name))
        ours = Sherd(os.path.join(folder, name), source, program)
        tree = os.path.join(folder, name, "tree")
        os.mkdir(tree)
        for i in range(count):
            with open(os.path.join(tree, str(i)), "wb") as file:
                file.write(SMALL)
        run(*ours.command, "import", tree)
        ours.put()
        times = sorted(timed(ours.get) * 1e3 for _ in range(COLD_STARTS))
        bare = statistics.median(timed(lambda: run(program, "version")) * 1e3 for _ in range(COLD_STARTS))
        report(f"get of a small record from a cold start, {count + 1} records", statistics.median(times), "ms",
               limit="sherd version", limit_value=round(bare, 3), ratio=round(statistics.median(times) / bare, 3),
               wanted="value < 30", **{"pass": statistics.median(times) < 30})


def measure_agent(folder, program):
    """The same small record through an agent, with a key file, and with a passphrase; and a call of the agent alone."""
    source = os.path.join(folder, "small")
    os.mkdir(os.path.join(folder, "agent"))
    ours = Sherd(os.path.join(folder, "agent"), source, program)
    passphrase = os.path.join(folder, "agent", "passphrase")
    with open(passphrase, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write("correct horse battery staple\n")
    run(*ours.command, "seals", "add", "--new-passphrase-file", passphrase)
    ours.put()
    vault = ours.command[ours.command.index("--vault") + 1]
    env = {**os.environ, "XDG_RUNTIME_DIR": folder}
    ways = {
        "through the agent": [program, "--vault", vault],
        "with a key file": ours.command,
        "with a passphrase": [program, "--vault", vault, "--passphrase-file", passphrase],
    }
    run(*ours.command, "unseal", env=env)
    times = {way: [] for way in ways}
    status = []
    for _ in range(COLD_STARTS):
        for way, command in ways.items():
            times[way].append(timed(lambda: run(*command, "get", ours.id, env=env)) * 1e3)
        status.append(timed(lambda: run(program, "--vault", vault, "status", env=env)) * 1e3)
    run(program, "--vault", vault, "seal", env=env)
    agent = statistics.median(times["through the agent"])
    for way in list(ways)[1:]:
        other = statistics.median(times[way])
        report("get of a small record from a cold start, through the agent", agent, "ms", limit=way,
               limit_value=round(other, 3), ratio=round(agent / other, 3), wanted="ratio < 1",
               **{"pass": agent < other})
    report("state of the agent from a cold start", statistics.median(status), "ms")


def main():
    parser = argparse.ArgumentParser(description="speed of the command against its peers")
    parser.add_argument("program")
    parser.add_argument("--dir", default="/var/tmp")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=20000, help="of the vault with many records")
    parser.add_argument("--bytes", type=int, default=1000000000, help="of the file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cli-", dir=given.dir) as folder:
        measure_cold(folder, os.path.abspath(given.program), given.records)
        measure_agent(folder, os.path.abspath(given.program))
        measure_files(folder, os.path.abspath(given.program), given.bytes, given.rounds)


if __name__ == "__main__":
    main()
