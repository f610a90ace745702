#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long does unsealing by shares take while strangers attack the agent, and how long without them?

bench_unseal.py SHERD [--dir DIR] [--rounds N]

One share of three is there; two operators give theirs, with the command, and the time is that of their calls, with
opening the vault. Under attack a stranger gives bad shares on the two connections that he may have, and tells the agent
to seal after each ten; the operators begin when he was refused 10,000 times, and 1,000 times more for sealing, and he
goes on. Rounds with and without him take turns. One JSON line a figure. Another user is needed: only root can be one.
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

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "tests", "integration"))
from strangers import Stranger, socket_of, spoiled  # noqa: E402

STRANGER = 65534
CALLS_BEFORE = 5000  # bad shares of each connection, before the operators begin


def run(*command, stdin=subprocess.DEVNULL):
    done = subprocess.run(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode()


def until(strangers, calls):
    for stranger in strangers:
        while stranger.calls("share") < calls:
            stranger.hear()


class Vault:
    """A vault that three of five shares open."""

    def __init__(self, program, folder):
        self.command = [program, "--vault", os.path.join(folder, "vault")]
        self.path = self.command[-1]
        shares = os.path.join(folder, "shares")
        run(*self.command, "init", "--shares", "5", "--threshold", "3", "--shares-out", shares)
        self.files = sorted(os.path.join(shares, name) for name in os.listdir(shares))
        with open(self.files[3], "rb") as file:
            share = file.read()
        self.bad = [b"wrong", *(spoiled(share, at) for at in (-5, -10, -15))]

    def unseal(self, attacked):
        """@return how long the operators took, in ms"""
        run(*self.command, "unseal", "--operators", "--share-file", self.files[4])
        strangers = [Stranger(socket_of(self.path), STRANGER, self.bad, 10) for _ in range(2 if attacked else 0)]
        try:
            until(strangers, CALLS_BEFORE)
            before = time.monotonic()
            for file in self.files[:2]:
                said = run(*self.command, "unseal", "--share-file", file)
            spent = (time.monotonic() - before) * 1e3
            if not said.endswith("\nunsealed\n"):
                sys.exit("it is not unsealed: " + said)
        finally:
            for stranger in strangers:
                stranger.close()
            run(*self.command, "seal")
        return spent


def main():
    parser = argparse.ArgumentParser(description="unsealing by shares under attack, against the same in peace")
    parser.add_argument("program")
    parser.add_argument("--dir", default="/var/tmp")
    parser.add_argument("--rounds", type=int, default=11)
    given = parser.parse_args()
    name = "unsealing by shares, under attack"
    if os.geteuid() != 0:
        print(json.dumps({"bench": "unseal", "name": name, "unavailable": "only root can be another user"}))
        return
    os.environ.pop("XDG_RUNTIME_DIR", None)
    with tempfile.TemporaryDirectory(prefix="unseal-", dir=given.dir) as folder:
        vault = Vault(os.path.abspath(given.program), folder)
        vault.unseal(False)
        times = [(vault.unseal(True), vault.unseal(False)) for _ in range(given.rounds)]
    attacked, quiet = (statistics.median(column) for column in zip(*times))
    ratio = statistics.median(a / b for a, b in times)
    print(json.dumps({"bench": "unseal", "name": name, "value": round(attacked, 3), "unit": "ms", "limit": "in peace",
                      "limit_value": round(quiet, 3), "ratio": round(ratio, 3), "wanted": "ratio <= 2",
                      "pass": ratio <= 2}), flush=True)


if __name__ == "__main__":
    main()
