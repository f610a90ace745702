#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""import and export: a tree goes in and comes out the same; nothing leads out of where it belongs."""
import json
import os
import random
import signal
import socket
import stat
import subprocess
import time

from harness import CONFLICT, FAILURE, NOT_FOUND, OK, TAMPERED, USAGE, UUID, OneOf, main


def make_tree(root, count=40):
    """Files of many sizes, names and modes; empty directories; returns how many files."""
    source = random.Random(7)
    (root / "a" / "b" / "c").mkdir(parents=True)
    (root / "empty" / "deep").mkdir(parents=True)
    names = ["plain", "with space", "ünïcode", "new\nline", "-dash", ".hidden", "a/one", "a/b/two", "a/b/c/three"]
    names += [f"a/many-{i}" for i in range(count)]
    for i, name in enumerate(names):
        (root / name).write_bytes(source.randbytes(source.choice([0, 1, 100, 1000, 20000, 65536])))
        os.chmod(root / name, [0o644, 0o600, 0o755, 0o444][i % 4])
    for i, size in enumerate([65537, 300000, 3 << 20]):
        (root / "a" / f"large-{i}").write_bytes(source.randbytes(size))
    with open(os.fsencode(root) + b"/not-\xff-utf8", "wb") as file:
        file.write(b"odd name")
    for folder, _, files in os.walk(os.fsencode(root)):
        for name in files:
            os.utime(os.path.join(folder, name), ns=(0, source.randrange(10**18, 17 * 10**17)))
    return len(names) + 4


def same_tree(one, two):
    done = subprocess.run(["diff", "-r", one, two], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[:2000]
    for folder, folders, files in os.walk(os.fsencode(one)):
        for name in files:
            a = os.lstat(os.path.join(folder, name))
            b = os.lstat(os.path.join(folder.replace(os.fsencode(one), os.fsencode(two), 1), name))
            assert (stat.S_IMODE(a.st_mode), a.st_mtime_ns) == (stat.S_IMODE(b.st_mode), b.st_mtime_ns), name


def test_cli_import__and_export_give_the_same_tree(box):
    box.init()
    tree = box.path("tree")
    tree.mkdir()
    count = make_tree(tree)
    done = box.sherd("import", "tree")
    lines = done.stdout.decode().splitlines()
    assert len(lines) == count + 1, (len(lines), count)  # and one empty directory
    assert all(UUID.fullmatch(line[:36]) and line[36:38] == "  " for line in lines)
    assert any(line.endswith(r"  new\x0aline") for line in lines)
    assert any(line.endswith(r"  not-\xff-utf8") for line in lines)
    assert f"stored {count + 1} files".encode() in done.stderr
    done = box.sherd("export", "out")
    same_tree(tree, box.path("out"))
    assert len(done.stdout.splitlines()) == count + 1
    assert "clean" in box.text("verify")


def test_cli_import__shares_commits_of_more_than_a_batch(box):
    box.init()
    tree = box.path("tree")
    tree.mkdir()
    for i in range(1500):
        (tree / f"{i:04}").write_bytes(b"%d" % i)
    box.sherd("import", "tree", "--quiet")
    assert len(box.text("ls").split("\n")) == 1500
    box.sherd("export", "out", "--quiet")
    same_tree(tree, box.path("out"))


def test_cli_import__prints_json_lines(box):
    box.init()
    tree = box.path("tree")
    (tree / "d").mkdir(parents=True)
    (tree / "d" / "f").write_bytes(b"12345")
    rows = [json.loads(line) for line in box.sherd("import", "tree", "--json").stdout.splitlines()]
    assert [(row["path"], row["bytes"]) for row in rows] == [("d/f", 5)]
    assert box.get(rows[0]["id"]) == b"12345"
    info = box.json("stat", rows[0]["id"])
    assert info["attributes"]["path"] == "d/f" and info["attributes"]["mode"] == "0644"
    rows = [json.loads(line) for line in box.sherd("export", "out", "--json").stdout.splitlines()]
    assert [(row["path"], row["bytes"]) for row in rows] == [("d/f", 5)]


def test_cli_import__keeps_to_collection_and_entity(box):
    box.init()
    box.sherd("collection", "create", "letters")
    (box.path("tree")).mkdir()
    box.path("tree/f").write_bytes(b"x")
    record = box.text("import", "tree", "-c", "letters", "-e", "me")[:36]
    info = box.json("stat", record)
    assert (info["collection"], info["entity"]) == ("letters", "me")
    box.put(b"elsewhere")
    box.sherd("export", "out", "-c", "letters")
    assert os.listdir(box.path("out")) == ["f"]
    box.fails("import", "tree", "-c", "absent", "--quiet", code=NOT_FOUND)


def test_cli_import__leaves_out_links_and_special_files(box):
    box.init()
    tree = box.path("tree")
    tree.mkdir()
    (tree / "file").write_bytes(b"x")
    (tree / "link").symlink_to("file")
    (tree / "out").symlink_to(box.dir)
    os.mkfifo(tree / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        cwd = os.getcwd()
        os.chdir(tree)
        server.bind("socket")
        os.chdir(cwd)
        done = box.sherd("import", "tree")
    assert len(done.stdout.splitlines()) == 1
    for name in [b"link", b"out", b"pipe", b"socket"]:
        assert b"sherd: " + name + b": skipped" in done.stderr, done.stderr


def test_cli_import__does_not_swallow_its_own_vault(box):
    box.init()
    box.path("file").write_bytes(b"x")
    done = box.sherd("import", ".")
    assert sorted(line[38:] for line in done.stdout.decode().splitlines()) == ["file", "my.key"]
    box.fails("import", "vault", code=USAGE)
    box.fails("import", "absent", code=NOT_FOUND)
    box.fails("import", "file", code=FAILURE)


def test_cli_import__goes_on_with_resume(box):
    box.init()
    tree = box.path("tree")
    tree.mkdir()
    for i in range(20):
        (tree / f"f{i}").write_bytes(b"%d" % i * 100)
    assert len(box.text("import", "tree").split("\n")) == 20
    assert box.text("import", "tree", "--resume") == ""
    (tree / "new").write_bytes(b"new")
    (tree / "f3").write_bytes(b"changed")
    lines = box.text("import", "tree", "--resume").split("\n")
    assert sorted(line[38:] for line in lines) == ["f3", "new"]


def test_cli_import__that_is_ended_says_how_to_go_on(box):
    box.init()
    tree = box.path("tree")
    tree.mkdir()
    for i in range(3000):
        (tree / f"f{i:04}").write_bytes(b"x" * 3000)
    child = box.start("--vault", box.vault, "--key-file", box.key, "import", "tree", stdout=subprocess.PIPE,
                      stderr=subprocess.PIPE, bufsize=0)
    first = child.stdout.readline()
    child.send_signal(signal.SIGTERM)
    rest, told = child.communicate(timeout=120)
    listed = len((first + rest).splitlines())
    assert child.returncode == OneOf(OK, -signal.SIGTERM)
    if child.returncode != OK:
        assert b"--resume" in told, told
        assert listed < 3000
    assert len(box.text("ls").split("\n")) == listed
    box.sherd("import", "tree", "--resume", "--quiet")
    assert len(box.text("ls").split("\n")) == 3000


def test_cli_import__that_is_killed_loses_nothing_that_it_listed(box):
    box.init()
    tree = box.path("tree")
    tree.mkdir()
    for i in range(4000):
        (tree / f"f{i:04}").write_bytes(b"%04d" % i * 500)
    for i in range(20):
        (tree / f"f{i:04}-long").write_bytes(b"%04d" % i * 50000)
    for delay in [0, 0.05, 0.2]:
        child = box.start("--vault", box.vault, "--key-file", box.key, "import", "tree", "--resume",
                          stdout=subprocess.PIPE, bufsize=0)
        lines = [child.stdout.readline()]
        time.sleep(delay)
        child.kill()
        lines += child.communicate(timeout=60)[0].splitlines()
        listed = [line.decode().strip() for line in lines if len(line.strip()) > 38]
        for line in [*listed[:3], *listed[-3:]]:
            name = line[38:]
            assert box.get(line[:36]) == (tree / name).read_bytes(), line
        stored = set(box.text("ls").split("\n"))
        assert {line[:36] for line in listed} <= stored
    box.sherd("sweep")
    assert "clean" in box.text("verify")
    box.sherd("import", "tree", "--resume", "--quiet")
    assert len(box.text("ls").split("\n")) == 4020


def test_cli_export__does_not_replace_files_unless_told(box):
    box.init()
    box.put(b"new", "-a", "path=d/f")
    (box.path("out") / "d").mkdir(parents=True)
    box.path("out/d/f").write_bytes(b"old")
    done = box.sherd("export", "out", code=CONFLICT)
    assert b"d/f" in done.stderr and b"--force" in done.stderr
    assert box.path("out/d/f").read_bytes() == b"old"
    box.sherd("export", "out", "--force")
    assert box.path("out/d/f").read_bytes() == b"new"
    assert os.listdir(box.path("out/d")) == ["f"]


def test_cli_export__writes_records_without_a_path_under_their_uuid(box):
    box.init()
    record = box.put(b"x")
    box.sherd("export", "out")
    out = box.path("out") / record
    assert out.read_bytes() == b"x" and stat.S_IMODE(out.stat().st_mode) == 0o600


def test_cli_export__never_leads_out_of_its_directory(box):
    box.init()
    outside = box.path("outside")
    outside.mkdir()
    (outside / "victim").write_bytes(b"victim")
    out = box.path("out")
    out.mkdir()
    (out / "link").symlink_to(outside)
    (out / "file-link").symlink_to(outside / "victim")
    for path in ["/etc/sherd-test", "../outside/victim", "a/../../outside/victim", "a//b", "a/", "./a", "..", ".", "",
                 "link/victim", "link", "file-link", "x" * 300, "a/" + "y" * 256]:
        box.put(b"evil", "-a", "path=" + path)
    good = box.put(b"good", "-a", "path=fine/file")
    done = box.sherd("export", "out", code=OneOf(USAGE, CONFLICT))
    assert len(done.stdout.splitlines()) == 1 and done.stdout.decode().startswith(good)
    box.sherd("export", "out", "--force", code=OneOf(USAGE, CONFLICT, FAILURE))
    assert (outside / "victim").read_bytes() == b"victim" and os.listdir(outside) == ["victim"]
    assert not os.path.exists("/etc/sherd-test")
    found = sorted(str(path.relative_to(out)) for path in out.rglob("*"))
    assert set(found) <= {"file-link", "fine", "fine/file", "link", "a"}, found


def test_cli_export__refuses_odd_modes_and_times(box):
    box.init()
    box.put(b"x", "-a", "path=setuid", "-a", "mode=4755")
    box.put(b"x", "-a", "path=odd", "-a", "mode=rwx", "-a", "mtime=yesterday")
    box.put(b"x", "-a", "path=old", "-a", "mode=0640", "-a", "mtime=-1.500000000")
    box.sherd("export", "out")
    assert stat.S_IMODE(box.path("out/setuid").stat().st_mode) == 0o755
    assert stat.S_IMODE(box.path("out/odd").stat().st_mode) == 0o600
    assert stat.S_IMODE(box.path("out/old").stat().st_mode) == 0o640


def test_cli_export__goes_on_behind_a_damaged_record(box):
    box.init()
    box.put(b"x" * 200000, "-a", "path=bad")
    box.flip(box.blobs()[0], 100000)
    box.put(b"y", "-a", "path=good")
    done = box.sherd("export", "out", code=TAMPERED)
    assert b"bad" in done.stderr
    assert os.listdir(box.path("out")) == ["good"]


if __name__ == "__main__":
    main(globals())
