#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The vault unsealed in a process of its own: unseal, status, seal, and everything through it."""
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from harness import CONFLICT, DENIED, FAILURE, NOT_FOUND, OK, BUSY, USAGE, OneOf, main

NOBODY = 65534


def vault(box, *args):
    """A vault, and a runtime folder of its own for the agent's socket."""
    box.env["XDG_RUNTIME_DIR"] = str(box.dir)
    box.init()
    if args:
        unseal(box, *args)
    return box


def plain(box, *args, code=OK, **options):
    """Run the program on the vault with nothing to unseal it."""
    return box.run("--vault", box.vault, *args, code=code, start_new_session=True, **options)


def status(box, **options):
    return json.loads(plain(box, "status", "--json", **options).stdout)


def unseal(box, *args, code=OK):
    return box.sherd("unseal", *args, code=code)


def sock(box):
    return next((box.dir / "sherd").glob("*.sock"))


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().split(")")[1].split()[0] == "Z"


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.02)


def end_all(box):
    """No agent is left behind by a test."""
    plain(box, "seal", code=OneOf(*range(9)))


def agent_test(function):
    def run(box):
        try:
            function(box)
        finally:
            end_all(box)
    return run


@agent_test
def test_cli_agent__serves_every_command_until_it_is_sealed(box):
    vault(box)
    assert status(box) == {"agent": False, "unsealed": False}
    plain(box, "ls", code=USAGE)  # nothing to unseal with, and no terminal
    assert b"unsealed" in unseal(box, "--idle", "1h").stdout
    state = status(box)
    assert state["agent"] and state["unsealed"] and state["seal"] == "key file", state
    assert state["idle_limit_s"] == 3600 and 3590 < state["idle_left_s"] <= 3600, state
    content = os.urandom(3 << 20)
    record = plain(box, "put", "-", "--entity", "pat", input=content).stdout.decode().strip()
    assert plain(box, "get", record).stdout == content
    small = plain(box, "put", "-", input=b"small").stdout.decode().strip()
    plain(box, "update", small, "-", input=b"smaller")
    assert plain(box, "get", small).stdout == b"smaller"
    assert set(plain(box, "ls").stdout.decode().split()) == {record, small}
    plain(box, "collection", "create", "logs", code=OneOf(OK, USAGE))
    assert json.loads(plain(box, "verify", "--json").stdout)
    assert b"sealed by    key file" in plain(box, "info").stdout
    plain(box, "key", "activate", "default")
    plain(box, "rekey")
    plain(box, "key", "retire", "default", "1")
    plain(box, "key", "destroy", "default", "1")
    for name in ("store:identity", "store:assets", "store:secrets", "store:keys"):
        plain(box, "key", "activate", name)
    assert plain(box, "get", small).stdout == b"smaller"
    assert json.loads(plain(box, "rekey", "--json").stdout)["resealed"] > 0
    keys = json.loads(plain(box, "key", "list", "--json").stdout)["keys"]
    assert [key["version"] for key in keys if key["name"].startswith("store:")] == [2, 2, 2, 2]
    assert plain(box, "get", small).stdout == b"smaller"
    plain(box, "verify")
    plain(box, "epoch", "roll")
    assert b"pat" in plain(box, "entity", "list").stdout
    plain(box, "entity", "erase", "pat", code=OneOf(OK, USAGE))
    plain(box, "rm", small)
    plain(box, "get", small, code=NOT_FOUND)
    plain(box, "sweep")
    folder = box.path("tree")
    folder.mkdir()
    for i in range(300):
        (folder / f"file-{i}").write_bytes(b"%d" % i)
    plain(box, "import", folder)
    assert len(plain(box, "ls").stdout.split()) >= 300
    plain(box, "verify")
    pid = status(box)["pid"]
    assert plain(box, "seal").stdout == b"sealed\n"
    assert gone(pid)
    assert plain(box, "seal").stdout == b"sealed already: no agent runs\n"
    plain(box, "ls", code=USAGE)
    box.sherd("verify")


@agent_test
def test_cli_agent__sweeps_parts_of_master_keys(box):
    vault(box)
    record = box.put(b"contents")
    for name in ("anchor", "keys"):
        shutil.copytree(box.vault / name, box.path("before") / name)
    box.sherd("key", "activate", "striped", "--store", "stripe", "--arg", "places=identity,assets,secrets")
    for name in ("anchor", "keys"):  # as if it had been killed before it was committed
        shutil.rmtree(box.vault / name)
        shutil.copytree(box.path("before") / name, box.vault / name)
    unseal(box)
    assert b"clean" in plain(box, "verify").stdout
    assert json.loads(plain(box, "sweep", "--dry-run", "--json").stdout)["key_parts"] > 0
    assert b"parts of master keys" in plain(box, "sweep").stdout
    assert json.loads(plain(box, "sweep", "--json").stdout)["key_parts"] == 0
    assert plain(box, "get", record).stdout == b"contents"


@agent_test
def test_cli_agent__rekeys_deep(box):
    vault(box)
    records = {box.put(content): content for content in (b"", b"short", os.urandom(3 << 20))}
    recipient = box.run("keygen", "--recipient", "-o", "mine", "-q").stdout.decode().strip()
    sealed = box.put(b"for one alone", "--to", recipient)
    unseal(box)
    late = plain(box, "put", "-", input=b"through the agent").stdout.decode().strip()
    for _ in range(2):
        assert json.loads(plain(box, "rekey", "--deep", "--json").stdout)["contents"] == 5
    for record, content in {**records, late: b"through the agent"}.items():
        assert plain(box, "get", record).stdout == content
    assert plain(box, "get", sealed, "--identity", box.path("mine")).stdout == b"for one alone"
    plain(box, "get", sealed, code=DENIED)
    plain(box, "verify")
    plain(box, "seal")
    assert json.loads(box.sherd("rekey", "--deep", "--json").stdout)["contents"] == 5  # and without it again
    box.sherd("verify")


@agent_test
def test_cli_agent__gives_the_same_as_without_it(box):
    vault(box)
    record = box.put(b"written without")
    unseal(box)
    assert plain(box, "get", record).stdout == b"written without"
    assert box.get(record) == b"written without"  # beside it, with the key file
    other = plain(box, "put", "-", input=b"written with").stdout.decode().strip()
    assert box.get(other) == b"written with"
    plain(box, "seal")
    assert box.get(other) == b"written with"


@agent_test
def test_cli_agent__leases_store_keys_as_they_rotate(box):
    vault(box)
    unseal(box)
    folder = box.path("tree")
    folder.mkdir()
    for i in range(400):
        (folder / f"file-{i}").write_bytes(b"%d" % i)
    # one that leased long before, and writes on while the keys rotate and the old ones are destroyed
    writes = box.start("--vault", box.vault, "import", folder, start_new_session=True)
    for _ in range(3):
        for name in ("store:assets", "store:keys", "store:secrets"):
            plain(box, "key", "activate", name)
        plain(box, "rekey")
    assert writes.wait(60) == 0
    plain(box, "rekey")
    keys = json.loads(plain(box, "key", "list", "store:assets", "--json").stdout)["keys"]
    assert [key["version"] for key in keys] == [4], keys
    records = plain(box, "ls").stdout.decode().split()
    assert len(records) == 400
    assert all(plain(box, "get", record).stdout.isdigit() for record in records[:40])
    plain(box, "verify")


@agent_test
def test_cli_agent__is_one_for_a_vault(box):
    vault(box)
    starts = [box.start("--vault", box.vault, "--key-file", box.key, "unseal", stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE) for _ in range(4)]
    for start in starts:
        out, err = start.communicate(timeout=60)
        assert start.returncode == 0 and out == b"unsealed\n", (out, err)
    pid = status(box)["pid"]
    unseal(box)
    assert status(box)["pid"] == pid
    copy = box.dir / "copy"
    shutil.copytree(box.vault, copy)  # the same deployment, and another vault
    assert json.loads(box.run("--vault", copy, "status", "--json").stdout)["agent"] is False


@agent_test
def test_cli_agent__takes_no_wrong_key_and_says_so(box):
    vault(box)
    box.run("keygen", box.path("other.key"))
    done = box.run("--vault", box.vault, "--key-file", box.path("other.key"), "unseal", code=DENIED)
    box.one_line(done)
    assert status(box)["unsealed"] is False
    for _ in range(4):
        box.run("--vault", box.vault, "--key-file", box.path("other.key"), "unseal", code=OneOf(DENIED, BUSY))
    done = unseal(box, code=BUSY)  # the same user fails too often: a pause
    box.one_line(done, "try again in")
    wait_until(lambda: box.run("--vault", box.vault, "--key-file", box.key, "unseal",
                               code=OneOf(OK, BUSY)).returncode == OK)
    for wrong in ["x", "-1", "1d", "", "99999999999"]:
        unseal(box, "--idle", wrong, code=USAGE)


@agent_test
def test_cli_agent__ends_when_it_is_idle(box):
    vault(box, "--idle", "2s")
    pid = status(box)["pid"]
    slow = box.start("--vault", box.vault, "put", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                     stderr=subprocess.PIPE)
    slow.stdin.write(b"begun")
    slow.stdin.flush()
    time.sleep(3.5)
    assert not gone(pid)  # a command that is under way is use
    out, err = slow.communicate(b", and ended", timeout=60)
    assert slow.returncode == 0, err
    wait_until(lambda: gone(pid))
    assert box.get(out.decode().strip()) == b"begun, and ended"
    assert status(box)["agent"] is False
    assert not list((box.dir / "sherd").glob("*.sock"))


@agent_test
def test_cli_agent__killed_in_a_put_leaves_all_or_nothing(box):
    vault(box)
    for round_ in range(12):
        unseal(box)
        pid = status(box)["pid"]
        content = os.urandom(200000)
        puts = [box.start("--vault", box.vault, "put", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) for _ in range(3)]
        killer = threading.Timer(0.01 * round_, os.kill, (pid, signal.SIGKILL))
        killer.start()
        done = [(put, *put.communicate(content, timeout=60)) for put in puts]
        killer.join()
        wait_until(lambda: gone(pid))
        for put, out, err in done:
            if put.returncode == 0:
                assert box.get(out.decode().strip()) == content
            else:
                assert put.returncode in (FAILURE, USAGE, BUSY) and err.count(b"\n") <= 2, (put.returncode, err)
        for record in box.text("ls").split():
            assert len(box.get(record)) == 200000
        box.sherd("verify")
    assert status(box)["agent"] is False  # what a killed one leaves is in nobody's way
    unseal(box)
    assert status(box)["unsealed"]


@agent_test
def test_cli_agent__what_lies_at_its_place_is_not_trusted(box):
    vault(box, "--idle", "1h")
    path = sock(box)
    plain(box, "seal")
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()  # a stale socket: nobody listens
    assert status(box)["agent"] is False
    unseal(box)
    plain(box, "seal")
    os.chmod(box.dir / "sherd", 0o777)
    box.one_line(unseal(box, code=DENIED), "only you can write")
    os.chmod(box.dir / "sherd", 0o700)
    if os.geteuid() != 0:
        return  # only root can be somebody else
    os.chown(box.dir / "sherd", NOBODY, NOBODY)
    box.one_line(unseal(box, code=DENIED), "only you can write")
    # a process of somebody else listens there: it is given nothing
    os.chmod(box.dir, 0o755)
    listener = os.fork()
    if listener == 0:
        os.setuid(NOBODY)
        fake = socket.socket(socket.AF_UNIX)
        fake.bind(str(path))
        fake.listen()
        peer = fake.accept()[0]
        os._exit(1 if peer.recv(1) else 0)
    wait_until(path.exists)
    time.sleep(0.1)
    box.one_line(unseal(box, code=DENIED), "another user")
    assert os.waitpid(listener, 0)[1] == 0
    shutil.rmtree(box.dir / "sherd")


@agent_test
def test_cli_agent__a_peer_that_stops_holds_nobody_up(box):
    vault(box, "--idle", "1h")
    record = plain(box, "put", "-", input=b"content").stdout.decode().strip()
    peers = []
    for i in range(60):
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(str(sock(box)))
        peer.sendall(b"\0\0\0\x20" if i % 2 else b"\xff" * 16)
        peers.append(peer)
    wait_until(lambda: plain(box, "get", record, code=OneOf(OK, BUSY, USAGE)).returncode == OK, 30)
    begun = time.monotonic()
    wait_until(lambda: status(box)["connections"] == 1, 30)
    assert time.monotonic() - begun < 25
    pid = status(box)["pid"]
    held = socket.socket(socket.AF_UNIX)
    held.connect(str(sock(box)))
    plain(box, "seal")  # whoever else is connected
    assert gone(pid)


def as_nobody(box, *args, code=OK):
    def become():
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    return box.run("--vault", box.vault, *args, code=code, preexec_fn=become, start_new_session=True)


def reachable(box):
    """Whether this user can be another one, who reaches the program and the vault's directory. Only root can."""
    os.chmod(box.dir, 0o755)
    return os.geteuid() == 0 and all(os.stat(parent).st_mode & 0o001 for parent in box.program.parents)


@agent_test
def test_cli_agent__serves_its_owner_alone(box):
    if not reachable(box):
        return
    box.env.pop("XDG_RUNTIME_DIR", None)
    box.init()
    unseal(box)
    assert "XDG_RUNTIME_DIR" not in box.env
    box.one_line(as_nobody(box, "status", code=DENIED))
    plain(box, "seal")
    box.sherd("unseal", "--operators")
    assert json.loads(as_nobody(box, "status", "--json").stdout)["unsealed"]
    box.one_line(as_nobody(box, "seal", code=DENIED), "owner")
    as_nobody(box, "ls", code=OneOf(FAILURE, DENIED, USAGE))
    path = next(path for path in os.scandir(f"/tmp/sherd-{os.geteuid()}") if path.name.endswith(".sock") and
                int(path.name.split("-")[1].split(".")[0], 16) == os.stat(box.vault).st_ino)
    caller = os.fork()
    if caller == 0:  # the calls themselves, without the program's manners
        os.setuid(NOBODY)
        bad = 0
        for verb in range(1, 37):
            if verb in (2, 3):
                continue
            peer = socket.socket(socket.AF_UNIX)
            peer.settimeout(20)
            peer.connect(path.path)
            peer.sendall(b"\0\0\0\x0c" + bytes(8) + bytes([0, verb, 0, 0]))
            answer = peer.recv(4096)
            bad += answer[14:16] != b"\0\x04"  # SHERD_ERR_DENIED
            peer.close()
        os._exit(bad)
    assert os.waitpid(caller, 0)[1] == 0
    assert status(box)["unsealed"]


@agent_test
def test_cli_agent__takes_shares_one_by_one_whatever_strangers_do(box):
    if not reachable(box):
        return
    box.env["XDG_RUNTIME_DIR"] = str(box.dir)
    shares = box.dir / "shares"
    box.run("--vault", box.vault, "init", "--shares", "5", "--threshold", "3", "--holders", "a1,b2,c3,d4,e5",
            "--shares-out", shares)
    files = sorted(shares.iterdir())
    theirs = box.dir / "theirs"
    shutil.copytree(shares, theirs)
    os.chown(theirs, NOBODY, NOBODY)
    for file in theirs.iterdir():
        os.chown(file, NOBODY, NOBODY)
    give = lambda file, **options: plain(box, "unseal", "--share-file", file, **options)  # noqa: E731
    assert b"1 of 3 shares" in plain(box, "unseal", "--operators", "--share-file", files[0]).stdout
    box.one_line(give(files[0], code=OneOf(USAGE, CONFLICT, DENIED)), "a1")
    assert status(box)["shares"] == [{"seal": 1, "given": 1, "needed": 3, "count": 5}]
    stop = threading.Event()
    tried = [0]

    def strange():
        while tried[0] < 1000 and not stop.is_set():
            as_nobody(box, "unseal", "--share-file", theirs / files[0].name, code=OneOf(*range(9)))
            as_nobody(box, "seal", code=OneOf(*range(1, 9)))
            tried[0] += 1

    thread = threading.Thread(target=strange)
    thread.start()
    try:
        time.sleep(0.5)
        assert b"2 of 3 shares" in give(files[1]).stdout
        done = give(files[2])
        assert b"3 of 3 shares" in done.stdout and done.stdout.endswith(b"unsealed\n"), done
    finally:
        stop.set()
        thread.join()
    assert tried[0] > 0
    record = plain(box, "put", "-", input=b"by shares").stdout.decode().strip()
    assert plain(box, "get", record).stdout == b"by shares"
    plain(box, "seal")
    # the last share comes from another user
    plain(box, "unseal", "--operators", "--share-file", files[0])
    plain(box, "unseal", "--share-file", files[3])
    assert as_nobody(box, "unseal", "--share-file", theirs / files[4].name).stdout.endswith(b"unsealed\n")
    plain(box, "seals", "remove", "1", code=USAGE)  # what changes seals is not done through the agent
    assert status(box)["unsealed"]


if __name__ == "__main__":
    main(globals())
