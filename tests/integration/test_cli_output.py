#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What comes out: ranges, sizes, files that appear whole or not at all, readers that go away, terminals."""
import fcntl
import hashlib
import os
import pty
import random
import resource
import select
import signal
import struct
import subprocess
import termios
import threading
import time

from harness import FAILURE, OK, TAMPERED, USAGE, OneOf, main


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def test_cli_get__gives_ranges(box):
    box.init()
    for content in [noise(1000), noise(300000)]:
        n = len(content)
        record = box.put(content)
        for text, want in [("0-0", content[:1]), ("0-9", content[:10]), (f"{n - 1}-{n - 1}", content[-1:]),
                           ("10-", content[10:]), ("-7", content[-7:]), (f"-{n + 5}", content), ("-0", b""),
                           (f"0-{n + 100}", content), ("0-", content), (f"{n}-", b""), (f"{n}-{n + 3}", b""),
                           ("16383-16384", content[16383:16385]), ("500-65600", content[500:65601])]:
            if text.startswith("16383") and n < 16384:
                continue
            assert box.get(record, f"--range={text}") == want, text
        for text in [f"{n + 1}-", "5-4", "", "-", "a-b", "1", "1-2-3", "0x1-2", " 1-2", "1 -2", "--1",
                     "99999999999999999999-", "1-99999999999999999999"]:
            box.fails("get", record, f"--range={text}", code=USAGE)
        box.sherd("get", record, "--range", "0-9", "-o", "part")
        assert box.path("part").read_bytes() == content[:10]


def test_cli_get__gives_a_range_of_nothing(box):
    box.init()
    record = box.put(b"")
    for text in ["0-", "-5", "0-9"]:
        assert box.get(record, "--range", text) == b""
    box.fails("get", record, "--range", "1-", code=USAGE)


def test_cli_put__takes_any_size(box):
    box.init()
    block = 1 << 20
    for size in [0, 1, 16383, 16384, 16385, 65535, 65536, 65537, block - 1, block, block + 1, 3 * block]:
        content = noise(size)
        record = box.put(content)
        assert box.get(record) == content, size
        assert box.json("stat", record)["bytes"] == size
        box.sherd("get", record, "-o", "out")
        assert box.path("out").read_bytes() == content, size
    assert "clean" in box.text("verify")


def test_cli_put__takes_fifty_megabytes(box):
    box.init()
    size = 50 * 1000 * 1000
    content = noise(1 << 20) * (size // (1 << 20) + 1)
    box.path("big").write_bytes(content[:size])
    record = box.text("put", "big")
    digest = hashlib.sha256(content[:size]).hexdigest()
    box.sherd("get", record, "-o", "out")
    assert hashlib.sha256(box.path("out").read_bytes()).hexdigest() == digest
    assert hashlib.sha256(box.get(record)).hexdigest() == digest
    with open(box.path("big"), "rb") as file:
        piped = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
        streamed = box.text("put", stdin=piped.stdout)
        piped.stdout.close()
        piped.wait()
    assert box.get(streamed, "--range", "49999990-") == content[49999990:size]


def test_cli_get__replaces_a_file_whole(box):
    box.init()
    record = box.put(b"new")
    out = box.path("out")
    out.write_bytes(b"old contents")
    box.sherd("get", record, "-o", "out")
    assert out.read_bytes() == b"new"
    box.path("link").symlink_to("out")
    out.write_bytes(b"old")
    box.sherd("get", record, "-o", "link")
    assert out.read_bytes() == b"new" and box.path("link").is_symlink()
    box.path("folder").mkdir()
    box.fails("get", record, "-o", "folder", code=USAGE, says="directory")
    box.fails("get", record, "-o", "folder/", code=USAGE)
    box.fails("get", record, "-o", "absent/out", code=FAILURE)
    assert sorted(os.listdir(box.dir)) == ["folder", "link", "my.key", "out", "vault"]


def test_cli_get__writes_into_a_device(box):
    box.init()
    record = box.put(b"x" * 100000)
    box.sherd("get", record, "-o", "/dev/null")
    assert not os.path.isfile("/dev/null")
    assert box.sherd("get", record, "-o", "/dev/stdout").stdout == b"x" * 100000
    box.fails("get", record, "-o", "/dev/full", code=FAILURE)


def test_cli_get__leaves_nothing_of_damaged_contents(box):
    box.init()
    content = noise(5 << 20)
    record = box.put(content)
    box.path("out").write_bytes(b"old")
    box.flip(box.blobs()[0], 4 << 20)
    box.fails("get", record, "-o", "out", code=TAMPERED)
    box.fails("get", record, "-o", "fresh", code=TAMPERED)
    assert box.path("out").read_bytes() == b"old"
    assert sorted(os.listdir(box.dir)) == ["my.key", "out", "vault"]
    given = box.get(record, code=TAMPERED)
    assert content.startswith(given) and len(given) < 5 << 20
    assert box.get(record, "--range", "0-99") == content[:100]


def test_cli_get__leaves_nothing_when_it_is_ended(box):
    """It is ended as soon as its temporary file is seen; the file is long, so that most of the work is still ahead."""
    box.init()
    box.path("big").write_bytes(noise(1 << 20) * 200)
    record = box.text("put", "big")
    before = sorted([*os.listdir(box.dir), "out"])
    hits = 0
    for number in [signal.SIGTERM, signal.SIGINT, signal.SIGHUP] * 4:
        child = box.start("--vault", box.vault, "--key-file", box.key, "get", record, "-o", "out",
                          stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while child.poll() is None and time.monotonic() < deadline:
            if any(name.startswith(".sherd-") for name in os.listdir(box.dir)):
                break
            time.sleep(0.002)
        child.send_signal(number)
        child.communicate(timeout=60)
        left = sorted({*os.listdir(box.dir), "out"})
        assert left == before, left
        if child.returncode == OK:
            assert box.path("out").stat().st_size == 200 << 20
            box.path("out").unlink()
        else:
            assert child.returncode == -number, child.returncode
            assert not box.path("out").exists()
            hits += 1
    assert hits >= 6, hits


def limited(size):
    """For preexec_fn: no file may grow beyond size, as on a disk that is full."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_cli_get__leaves_nothing_when_the_disk_is_full(box):
    box.init()
    record = box.put(noise(5 << 20))
    done = box.sherd("get", record, "-o", "out", code=FAILURE, preexec_fn=limited(1 << 20))
    box.one_line(done, "out")
    assert sorted(os.listdir(box.dir)) == ["my.key", "vault"]


def test_cli_put__says_that_the_disk_is_full(box):
    box.init()
    record = box.put(b"before")
    box.path("big").write_bytes(noise(5 << 20))
    done = box.sherd("put", "big", code=FAILURE, preexec_fn=limited(2 << 20))
    assert done.stdout == b"" and box.one_line(done)
    assert box.text("ls") == record and box.get(record) == b"before"
    assert "clean" in box.text("verify")
    box.sherd("put", "big")


def test_cli_get__ends_quietly_when_its_reader_is_gone(box):
    box.init()
    record = box.put(noise(5 << 20))
    child = box.start("--vault", box.vault, "--key-file", box.key, "get", record, stdout=subprocess.PIPE,
                      stderr=subprocess.PIPE)
    assert child.stdout.read(10) == noise(5 << 20)[:10]
    child.stdout.close()
    assert child.stderr.read() == b""
    assert child.wait(60) == FAILURE


def test_cli_output__tells_of_a_full_device(box):
    box.init()
    record = box.put(b"x")
    for args in [["get", record], ["ls"], ["stat", record], ["info"], ["help"], ["ls", "--json"]]:
        with open("/dev/full", "wb") as full:
            done = box.sherd(*args, code=FAILURE, stdout=full)
        assert b"standard output" in done.stderr and b"No space" in done.stderr, args
    done = box.sherd("put", "-", code=FAILURE, input=b"y", stdout=open("/dev/full", "wb"))
    assert b"standard output" in done.stderr


def test_cli_output__survives_closed_streams(box):
    box.init()
    record = box.put(b"x" * 100000)
    command = " ".join(box.command("--vault", box.vault, "--key-file", box.key, "get", record))
    done = subprocess.run(["sh", "-c", f"{command} >&- 2>&-"], cwd=box.dir, env=box.env, check=False)
    assert done.returncode == FAILURE
    done = subprocess.run(["sh", "-c", f"{command} -o out <&- >&- 2>&-"], cwd=box.dir, env=box.env, check=False)
    assert done.returncode == OK and box.path("out").read_bytes() == b"x" * 100000
    assert "clean" in box.text("verify")


def test_cli_put__that_is_ended_stores_nothing(box):
    box.init()
    for number in [signal.SIGTERM, signal.SIGINT]:
        child = box.start("--vault", box.vault, "--key-file", box.key, "put", "-", stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdin.write(b"y" * (3 << 20))
        child.stdin.flush()  # longer than a pipe holds: the program is well under way
        child.send_signal(number)
        told = child.stderr.read()
        assert child.wait(60) == -number and b"interrupted" in told, (child.returncode, told)
        assert child.stdout.read() == b""
        child.stdin.close()
    assert box.text("ls") == ""
    assert "clean" in box.text("verify")


def test_cli_put__two_at_once_both_store(box):
    box.init()
    results = {}

    def work(name):
        for i in range(12):
            content = f"{name} {i} ".encode() * (1 + 20000 * (i % 2))
            results[box.put(content)] = content

    threads = [threading.Thread(target=work, args=(name,)) for name in ["a", "b"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 24
    assert set(box.text("ls").split("\n")) == set(results)
    for record, content in list(results.items())[:6]:
        assert box.get(record) == content
    assert "clean" in box.text("verify")


def test_cli_commands__read_and_write_at_once(box):
    box.init()
    record = box.put(noise(20 << 20))
    writer = box.start("--vault", box.vault, "--key-file", box.key, "put", "-", stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE)
    writer.stdin.write(b"z" * (2 << 20))
    writer.stdin.flush()
    assert box.get(record) == noise(20 << 20)
    other = box.put(b"between")
    box.sherd("sweep")
    assert "clean" in box.text("verify")
    told, _ = writer.communicate(b"end", timeout=60)
    assert writer.returncode == OK
    assert box.get(told.decode().strip()) == b"z" * (2 << 20) + b"end"
    assert box.get(other) == b"between"


# ---- On a terminal --------------------------------------------------------------------------------------------------


def on_terminal(box, args, answers, stdin=None):
    """Run with a controlling terminal; an answer is typed for each ": ". Returns (code, shown, stdout)."""
    main_fd, side_fd = pty.openpty()
    fcntl.ioctl(side_fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))

    def take_terminal():
        os.setsid()
        fcntl.ioctl(side_fd, termios.TIOCSCTTY, 0)

    child = subprocess.Popen(box.command(*args), stdin=stdin or side_fd, stdout=subprocess.PIPE, stderr=side_fd,
                             cwd=box.dir, env=box.env, preexec_fn=take_terminal)
    shown, answers, asked = b"", list(answers), 0
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        ready = select.select([main_fd], [], [], 0.2)[0]
        if ready:
            shown += os.read(main_fd, 4096)
            if shown.count(b": ") > asked and answers:
                asked += 1
                os.write(main_fd, answers.pop(0))
        elif child.poll() is not None:
            break
    os.close(side_fd)
    os.close(main_fd)
    return child.wait(10), shown, child.stdout.read()


def test_cli_terminal__asks_for_the_passphrase_without_echo(box):
    where = ["--vault", box.vault]
    code, shown, _ = on_terminal(box, [*where, "init"], [b"open sesame\n", b"open sesame\n"])
    assert code == OK and b"New passphrase: " in shown and b"Once more: " in shown
    assert b"sesame" not in shown, shown
    code, shown, out = on_terminal(box, [*where, "ls", "--json"], [b"open sesame\n"])
    assert code == OK and b"complete" in out and b"sesame" not in shown
    code, shown, _ = on_terminal(box, [*where, "ls"], [b"open simsim\n"])
    assert code == 5 and b"simsim" not in shown
    box.path("pass").write_text("open sesame")
    box.run(*where, "ls", "--passphrase-file", "pass")


def test_cli_terminal__refuses_what_was_typed_differently(box):
    code, shown, _ = on_terminal(box, ["--vault", box.vault, "init"], [b"one\n", b"two\n"])
    assert code == USAGE and b"differ" in shown
    assert not box.vault.exists()
    code, shown, _ = on_terminal(box, ["--vault", box.vault, "init"], [b"\n"])
    assert code == USAGE and b"empty" in shown


def test_cli_terminal__shows_progress_of_long_work(box):
    """Long work, made long by its input: a pipe that pauses."""
    box.init()

    def feed(fd):
        for _ in range(10):
            os.write(fd, b"x" * (1 << 20))
            time.sleep(0.2)
        os.close(fd)

    where = ["--vault", box.vault, "--key-file", box.key]
    for quiet in [False, True]:
        read_fd, write_fd = os.pipe()
        feeder = threading.Thread(target=feed, args=(write_fd,))
        feeder.start()
        code, shown, _ = on_terminal(box, [*where, "put", "-", *(["--quiet"] if quiet else [])], [], stdin=read_fd)
        feeder.join()
        os.close(read_fd)
        assert code == OK
        assert (b"MB/s" in shown) is not quiet, shown
    read_fd, write_fd = os.pipe()
    feeder = threading.Thread(target=feed, args=(write_fd,))
    feeder.start()
    done = box.sherd("put", "-", stdin=read_fd)
    feeder.join()
    os.close(read_fd)
    assert done.stderr == b""


def test_cli_terminal__restores_echo_when_it_is_ended(box):
    box.path("pass").write_text("x")
    box.run("--vault", box.vault, "init", "--passphrase-file", "pass")
    main_fd, side_fd = pty.openpty()

    def take_terminal():
        os.setsid()
        fcntl.ioctl(side_fd, termios.TIOCSCTTY, 0)

    child = subprocess.Popen(box.command("--vault", box.vault, "ls"), stdin=side_fd, stdout=subprocess.DEVNULL,
                             stderr=side_fd, cwd=box.dir, env=box.env, preexec_fn=take_terminal)
    shown = b""
    while not shown.endswith(b": "):
        shown += os.read(main_fd, 100)
    assert not termios.tcgetattr(side_fd)[3] & termios.ECHO
    os.write(main_fd, b"\x03")
    assert child.wait(30) == -signal.SIGINT
    assert termios.tcgetattr(side_fd)[3] & termios.ECHO
    os.close(side_fd)
    os.close(main_fd)


if __name__ == "__main__":
    main(globals())
