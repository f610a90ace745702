#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Raw damage to the engine's files: flipped bits, cuts, junk, files that are gone or another's.

The real program then reads every record, and verifies. It gives the right bytes or an error with an exit code: never
other bytes, never a death by signal.

Arguments: the program, the attacker's program, the number of cases, a seed.
"""
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "integration"))
from harness import COMPARTMENTS, SANITIZER, Box  # noqa: E402

# The manual's exit codes, and 70 with which the program ends where a damaged file leaves no way back.
EXIT_CODES = set(range(9)) | {70}

RECORDS = {"small": 60, "some": 20000, "large": 100000}


def contents(name):
    return random.Random(name).randbytes(RECORDS[name])


def settle(attacker, vault):
    """Have the engine bring its journals in, so that its pages hold the entries."""
    commands = [f"open {vault}"] + [f"settle {role}" for role in COMPARTMENTS] + ["close"]
    done = subprocess.run([attacker], input="\n".join(commands) + "\n", capture_output=True, text=True, check=True)
    assert done.stdout == "ok\n" * len(commands), done.stdout


def make(program, attacker, folder, settled):
    """A vault with records enough for pages of more than one level of a tree."""
    box = Box(program, folder)
    box.init()
    tree = box.path("tree")
    tree.mkdir()
    for i in range(200):
        (tree / f"file{i}").write_bytes(random.Random(i).randbytes(i * 7))
    box.sherd("import", tree)
    box.ids = {name: box.put(contents(name)) for name in RECORDS}
    if settled:
        settle(attacker, box.vault)
    box.original = box.path("original")
    shutil.copytree(box.vault, box.original)
    return box


def engine_files(vault):
    return sorted(path.relative_to(vault) for role in COMPARTMENTS for path in (vault / role).rglob("*")
                  if path.is_file() and path.stat().st_size > 0)


def pick_offset(rng, data):
    """Mostly where something stands: files grow by zeroes."""
    for _ in range(50):
        offset = rng.randrange(len(data))
        if any(data[offset & ~15:(offset & ~15) + 16]):
            return offset
    return rng.randrange(len(data))


def flip(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        data[pick_offset(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(data)


def cut(rng, data):
    return data[:rng.choice([0, 1, len(data) // 2, rng.randrange(len(data)), len(data) - 1])]


def overwrite(rng, data):
    offset = pick_offset(rng, data)
    junk = rng.choice([bytes(64), b"\xff" * 64, rng.randbytes(64), rng.randbytes(4096)])
    return data[:offset] + junk + data[offset + len(junk):]


def shuffle_pages(rng, data):
    pages = [data[at:at + 4096] for at in range(0, len(data), 4096)]
    i, j = rng.randrange(len(pages)), rng.randrange(len(pages))
    pages[i], pages[j] = pages[j], pages[i]
    return b"".join(pages)


def extend(rng, data):
    return data + rng.choice([b"\0", bytes(4096), rng.randbytes(5000)])


WAYS = [flip] * 12 + [cut] * 4 + [overwrite] * 4 + [shuffle_pages, extend]


def damage(rng, box):
    """Change one file. @return what was done, for the report"""
    # Pages and journals hold nearly all: every other case is about one of them.
    files = engine_files(box.vault)
    main = [path for path in files if path.name == "data.mdb" or path.name.startswith("journal-")]
    path = rng.choice(main if rng.random() < 0.6 else files)
    if rng.random() < 0.02:
        os.unlink(box.vault / path)
        return f"{path} removed"
    if rng.random() < 0.02:
        path = rng.choice(main)
        other = rng.choice([entry for entry in main if entry.name == path.name and entry != path])
        shutil.copyfile(box.vault / other, box.vault / path)
        return f"{path} replaced by {other}"
    way = rng.choice(WAYS)
    data = (box.vault / path).read_bytes()
    (box.vault / path).write_bytes(way(rng, data))
    return f"{path}: {way.__name__}"


def check(box, done, told):
    told = f"{told}: exit code {done.returncode}\n{done.stderr.decode(errors='replace')[-3000:]}"
    assert done.returncode >= 0, "died by a signal: " + told
    assert not SANITIZER.search(done.stderr), told
    assert done.returncode in EXIT_CODES, told
    if done.returncode != 0:
        assert done.stderr.strip(), "no word of what happened: " + told


def run(box, *args):
    return subprocess.run(box.command("--vault", box.vault, "--key-file", box.key, *args), check=False, timeout=120,
                          capture_output=True, env=box.env, cwd=box.dir, stdin=subprocess.DEVNULL)


def one_case(rng, box, tally):
    shutil.rmtree(box.vault)
    shutil.copytree(box.original, box.vault)
    told = damage(rng, box)
    refused = 0
    for name, record in box.ids.items():
        done = run(box, "get", record)
        check(box, done, f"{told}: get {name}")
        if done.returncode == 0:
            assert done.stdout == contents(name), f"WRONG BYTES: {told}: get {name}"
        else:
            refused += 1
    done = run(box, "verify")
    check(box, done, f"{told}: verify")
    if done.returncode == 0:
        assert refused == 0, f"verify says all is well: {told}"
    tally["refused" if refused else "found by verify" if done.returncode else "harmless"] += 1


def main():
    program, attacker, count, seed = Path(sys.argv[1]).resolve(), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    rng = random.Random(seed)
    tally = {"refused": 0, "found by verify": 0, "harmless": 0}
    name = "test_tamper_files__give_right_bytes_or_an_error"
    print(f"[ RUN      ] {name}", flush=True)
    folder = tempfile.mkdtemp(prefix="sherd-tamper-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    try:
        boxes = []
        for settled in [False, True]:
            (Path(folder) / str(settled)).mkdir()
            boxes.append(make(program, attacker, Path(folder) / str(settled), settled))
        for i in range(count):
            one_case(rng, boxes[i % 2], tally)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert sum(tally.values()) == count and tally["refused"] > count // 10, tally
    print(f"{count} damaged vaults: {tally}")
    print(f"[       OK ] {name}\n[==========] 1 test(s) run.\n[  PASSED  ] 1 test(s).")


if __name__ == "__main__":
    main()
