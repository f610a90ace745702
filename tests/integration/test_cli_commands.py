#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each command does what its manual page says."""
import os
import stat

from harness import COMPARTMENTS, CONFLICT, NOT_FOUND, TAMPERED, USAGE, UUID, main


def test_cli_init__makes_a_vault(box):
    box.run("keygen", box.key)
    assert "vault" in box.text("init")
    for name in ["sherd.vault", "anchor", *COMPARTMENTS]:
        assert (box.vault / name).exists(), name
    assert (box.vault / "sherd.vault").read_text().startswith("sherd vault\n")


def test_cli_init__refuses_a_directory_in_use(box):
    box.init()
    record = box.put(b"x")
    box.fails("init", code=CONFLICT)
    assert box.get(record) == b"x"
    other = box.path("other")
    other.mkdir()
    (other / "mine").write_text("mine")
    box.run("--vault", other, "--key-file", box.key, "init", code=CONFLICT)
    assert os.listdir(other) == ["mine"]


def test_cli_init__takes_an_empty_directory(box):
    box.run("keygen", box.key)
    box.vault.mkdir()
    box.sherd("init")
    assert box.get(box.put(b"x")) == b"x"


def test_cli_put__stores_a_file_and_standard_input(box):
    box.init()
    box.path("letter").write_bytes(b"attack at dawn")
    for args, options in [(["letter"], {}), (["-"], {"input": b"attack at dawn"}), ([], {"input": b"attack at dawn"})]:
        record = box.text("put", *args, **options)
        assert UUID.fullmatch(record), record
        assert box.get(record) == b"attack at dawn"


def test_cli_put__says_what_is_missing(box):
    box.init()
    box.fails("put", "nothing", code=NOT_FOUND, says="nothing")
    box.fails("put", ".", code=USAGE, says="import")
    box.fails("put", "-", "-c", "absent", code=NOT_FOUND, input=b"x")


def test_cli_put__keeps_what_the_options_say(box):
    box.init()
    record = box.put(b"x", "--type", "text/plain", "-a", "title=Ünter dem Meer", "-a", "empty=", "-a", "eq=a=b",
                     "--entity", "patient 7")
    info = box.json("stat", record)
    assert info["type"] == "text/plain" and info["entity"] == "patient 7" and info["collection"] == "default"
    assert info["attributes"] == {"title": "Ünter dem Meer", "empty": "", "eq": "a=b"}
    assert (info["id"], info["version"], info["bytes"]) == (record, 1, 1)


def test_cli_put__stores_a_repeat_once(box):
    box.init()
    first = box.put(b"x", "--idempotency-key", "k1")
    assert box.put(b"x", "--idempotency-key", "k1") == first
    assert box.put(b"x", "--idempotency-key", "k2") != first
    box.fails("put", "-", "--idempotency-key", "k1", code=CONFLICT, input=b"y")
    assert len(box.text("ls").split("\n")) == 2


def test_cli_put__prints_json(box):
    box.init()
    told = box.json("put", "-", input=b"12345")
    assert UUID.fullmatch(told["id"]) and told["bytes"] == 5


def test_cli_get__writes_a_file(box):
    box.init()
    record = box.put(b"contents")
    assert box.sherd("get", record, "-o", "out").stdout == b""
    assert box.path("out").read_bytes() == b"contents"
    assert stat.S_IMODE(box.path("out").stat().st_mode) == 0o600
    told = box.json("get", record, "-o", "out")
    assert told == {"id": record, "bytes": 8, "file": "out", "deferred": False, "found": False, "verified": None}


def test_cli_get__reads_versions(box):
    box.init()
    box.sherd("collection", "create", "all", "--versions-kept", "0")
    record = box.put(b"one", "-c", "all")
    box.sherd("update", record, "-", input=b"two")
    assert box.get(record) == b"two"
    assert box.get(record, "--version", "1") == b"one"
    assert box.get(record, "--version", "2") == b"two"
    box.fails("get", record, "--version", "3", code=NOT_FOUND)


def test_cli_get__knows_nothing_of_other_records(box):
    box.init()
    box.fails("get", "7f3e1c1e-6b7b-4c6e-9a27-0c2b9f0f7f11", code=NOT_FOUND)


def test_cli_update__makes_a_version(box):
    box.init()
    record = box.put(b"one", "--type", "text/plain", "-a", "a=1", "-a", "b=2")
    assert box.text("update", record, "-", input=b"two") == "version 2"
    info = box.json("stat", record)
    assert (info["version"], info["type"], info["attributes"]) == (2, "text/plain", {"a": "1", "b": "2"})
    told = box.json("update", record, "-", input=b"three")
    assert told == {"id": record, "version": 3, "bytes": 5}
    assert box.get(record) == b"three"
    box.fails("get", record, "--version", "1", code=NOT_FOUND)


def test_cli_update__changes_what_the_options_say_and_no_more(box):
    box.init()
    record = box.put(b"one", "--type", "text/plain", "-a", "a=1", "-a", "b=2", "-a", "c=3")
    box.sherd("update", record, "-", "-a", "b=20", "-a", "d=4", "-a", "a", input=b"two")
    info = box.json("stat", record)
    assert (info["type"], info["attributes"]) == ("text/plain", {"b": "20", "c": "3", "d": "4"})
    box.sherd("update", record, "-", "-t", "text/html", input=b"three")
    info = box.json("stat", record)
    assert (info["type"], info["attributes"]) == ("text/html", {"b": "20", "c": "3", "d": "4"})
    box.fails("update", record, "-", "-a", "absent", code=USAGE, input=b"four")
    assert box.get(record) == b"three"


def test_cli_update__expects_a_version(box):
    box.init()
    record = box.put(b"one")
    box.sherd("update", record, "-", "--expect-version", "1", input=b"two")
    box.fails("update", record, "-", "--expect-version", "1", code=CONFLICT, input=b"three")
    box.fails("update", record, "-", "--expect-version", "1", "-t", "a/b", code=CONFLICT, input=b"three")
    assert box.get(record) == b"two"


def test_cli_rm__deletes(box):
    box.init()
    records = [box.put(b"%d" % i) for i in range(3)]
    box.sherd("rm", records[0])
    box.fails("get", records[0], code=NOT_FOUND)
    box.fails("rm", records[0], code=NOT_FOUND)
    box.fails("rm", records[1], "no-uuid", code=USAGE)
    assert box.get(records[1]) == b"1"
    done = box.sherd("rm", records[0], records[1], code=NOT_FOUND)
    assert records[0].encode() in done.stderr and b"1 of 2" in done.stderr
    box.fails("get", records[1], code=NOT_FOUND)
    assert box.text("ls") == records[2]
    assert box.json("rm", records[2]) == {"deleted": records[2]}
    assert box.text("ls") == ""


def test_cli_ls__lists_all_records(box):
    box.init()
    assert box.text("ls") == ""
    assert box.json("ls") == {"records": [], "next": None, "complete": True}
    records = {box.put(b"%d" % i, "-a", f"n={i}") for i in range(5)}
    assert set(box.text("ls").split("\n")) == records
    rows = box.json("ls")["records"]
    assert {row["id"] for row in rows} == records
    assert {row["attributes"]["n"] for row in rows} == set("01234")


def test_cli_ls__pages(box):
    box.init()
    records = {box.put(b"%d" % i) for i in range(7)}
    seen, after = [], []
    for _ in range(10):
        page = box.json("ls", "--limit", "3", *after)
        assert len(page["records"]) <= 3
        seen += [row["id"] for row in page["records"]]
        if page["next"] is None:
            break
        after = ["--after", page["next"]]
    assert sorted(seen) == sorted(records)
    assert len(box.text("ls", "-n", "2").split("\n")) == 2
    box.fails("ls", "--after", "xyz", code=USAGE)


def test_cli_ls__keeps_to_a_collection(box):
    box.init()
    box.sherd("collection", "create", "letters")
    mine = box.put(b"a", "-c", "letters")
    other = box.put(b"b")
    assert box.text("ls", "-c", "letters") == mine
    assert box.text("ls", "-c", "default") == other
    assert set(box.text("ls").split("\n")) == {mine, other}
    box.fails("ls", "-c", "absent", code=NOT_FOUND)


def test_cli_ls__shows_odd_bytes_harmlessly(box):
    box.init()
    record = box.put(b"x", "-a", b"odd=\x1b[31mred\nnext\\ \xff\xc2\x9b".decode(errors="surrogateescape"))
    line = box.text("ls", "--long")
    assert "\n" not in line and "\x1b" not in line
    assert r"odd=\x1b[31mred\x0anext\\ \xff\xc2\x9b" in line, line
    assert box.json("stat", record)["attributes"]["odd"] == {"hex": "1b5b33316d7265640a6e6578745c20ffc29b"}


def test_cli_ls__long_shows_more(box):
    box.init()
    record = box.put(b"x" * 1500, "-t", "text/plain", "-a", "k=v")
    line = box.text("ls", "--long")
    for part in [record, "v1", "1.5 kB", "default", "text/plain", "k=v"]:
        assert part in line, (part, line)


def test_cli_stat__tells_facts(box):
    box.init()
    record = box.put(b"x" * 1000)
    text = box.text("stat", record)
    for part in [record, "bytes       1000", "version     1", "collection  default", "entity      -"]:
        assert part in text, (part, text)
    assert box.json("stat", record)["stored_bytes"] >= 1000
    box.fails("stat", record, "--version", "2", code=NOT_FOUND)


def test_cli_verify__finds_a_clean_vault_clean(box):
    box.init()
    assert "clean" in box.text("verify")
    record = box.put(b"x" * 100000)
    box.put(b"y")
    assert "2 records" in box.text("verify")
    assert "1 record," in box.text("verify", record)
    told = box.json("verify")
    assert told["findings"] == []
    assert told["summary"]["clean"] and told["summary"]["complete"] and told["summary"]["records"] == 2
    assert told["summary"]["bytes"] >= 100001
    assert box.text("verify", "--quiet") == ""
    box.fails("verify", "7f3e1c1e-6b7b-4c6e-9a27-0c2b9f0f7f11", code=NOT_FOUND)


def test_cli_verify__names_each_violation(box):
    box.init()
    bad, good = box.put(b"x" * 200000), box.put(b"y")
    box.flip(box.blobs()[0], 100000)
    done = box.sherd("verify", code=TAMPERED)
    lines = done.stdout.decode().split("\n")
    assert lines[0].startswith("secrets: ") and bad in lines[0], lines
    assert "1 violation" in done.stdout.decode() and "backup" in done.stderr.decode()
    told = box.json("verify", code=TAMPERED)
    assert [(f["compartment"], f["id"], f["version"]) for f in told["findings"]] == [("secrets", bad, 1)]
    assert told["summary"]["complete"] and not told["summary"]["clean"] and told["summary"]["violations"] == 1
    assert "clean" in box.text("verify", good)
    box.sherd("verify", bad, code=TAMPERED)


def test_cli_verify__sees_a_removed_file(box):
    box.init()
    record = box.put(b"x" * 200000)
    box.blobs()[0].unlink()
    box.fails("get", record, code=TAMPERED)
    box.sherd("verify", code=TAMPERED)


def test_cli_sweep__removes_what_a_killed_put_left(box):
    box.init()
    box.put(b"x" * 200000)
    writer = box.start("--vault", box.vault, "--key-file", box.key, "put", "-", stdin=-1, stdout=-1)
    writer.stdin.write(b"y" * (3 << 20))
    writer.stdin.flush()
    for _ in range(600):
        if writer.poll() is not None or any(path.stat().st_size >= 1 << 20 for path in box.vault.rglob("*")
                                            if path.is_file() and "secrets" in path.parts):
            break
        try:
            writer.wait(0.1)
        except Exception:  # pylint: disable=broad-except
            pass
    writer.kill()
    writer.communicate()
    assert "clean" in box.text("verify")
    dry = box.json("sweep", "--dry-run")
    assert dry["dry_run"]
    box.sherd("sweep")
    after = box.json("sweep")
    assert after == {"dry_run": False, "erased_records": 0, "map_entries": 0, "fragments": 0, "unfinished": 0,
                     "key_parts": 0}
    assert len(box.blobs()) == 1
    assert "1 record," in box.text("verify")


def test_cli_info__tells_figures(box):
    box.init()
    box.put(b"x" * 200000)
    text = box.text("info")
    assert "format       1" in text and "lmdb" in text and "key file" in text
    told = box.json("info")
    assert told["format"] == 1 and told["engine"] == "lmdb"
    assert set(told["compartments"]) == set(COMPARTMENTS)
    assert told["compartments"]["secrets"]["blobs"] == 1
    assert told["compartments"]["secrets"]["blob_bytes"] >= 200000


def test_cli_inspect__needs_no_key_and_shows_nothing(box):
    box.init()
    marker = b"the quick brown fox jumps over the lazy dog "
    box.put(marker * 10000, "-a", "title=" + marker.decode())
    box.put(marker * 10)
    for part in COMPARTMENTS:
        done = box.run("--vault", box.vault, "inspect", part, "--limit", "0")
        assert b"readable text found: none" in done.stdout, done.stdout
        assert b"quick brown" not in done.stdout and (marker[:16].hex()).encode() not in done.stdout
    rows = box.run("--vault", box.vault, "inspect", "secrets", "-n", "1").stdout.decode().split("\n")
    assert rows[0].startswith("name") and "more" in rows[2], rows
    box.run("--vault", box.vault, "inspect", "anchor", code=USAGE)
    box.run("--vault", box.path("absent"), "inspect", "keys", code=NOT_FOUND)


def test_cli_inspect__prints_json(box):
    box.init()
    box.put(b"x" * 200000)
    told = box.json("inspect", "secrets", "-n", "0")
    assert len(told["entries"]) == told["summary"]["entries"] + told["summary"]["blobs"] > 0
    assert any(entry["blob"] and entry["bytes"] >= 200000 for entry in told["entries"])
    assert told["summary"]["readable_text"] is False


def test_cli_collection__keeps_rules(box):
    box.init()
    box.sherd("collection", "create", "three", "--versions-kept", "3", "--exact-sizes")
    assert box.json("collection", "show", "three") == {"collection": "three", "versions_kept": 3, "exact_sizes": True,
                                                       "entity_keys": "random", "master_key": "default", "key": None,
                                                       "verification": "synchronous", "readable": False}
    assert box.json("collection", "show", "default") == {"collection": "default", "versions_kept": 1,
                                                         "exact_sizes": False, "entity_keys": "random",
                                                         "master_key": "default", "key": None,
                                                         "verification": "synchronous", "readable": False}
    box.fails("collection", "create", "three", code=CONFLICT)
    box.fails("collection", "show", "absent", code=NOT_FOUND)
    box.fails("collection", "create", "No Good", code=USAGE)
    box.fails("collection", "create", "x" * 64, code=USAGE)
    box.fails("collection", "remove", "three", code=USAGE)
    record = box.put(b"1", "-c", "three")
    for i in range(2, 6):
        box.sherd("update", record, "-", input=b"%d" % i)
    info = box.json("stat", record)
    assert (info["version_oldest"], info["version_current"]) == (3, 5)
    assert box.get(record, "--version", "3") == b"3"
    box.fails("get", record, "--version", "2", code=NOT_FOUND)


def test_cli_keygen__writes_a_private_file_once(box):
    box.run("keygen", box.key)
    assert stat.S_IMODE(box.key.stat().st_mode) == 0o600
    text = box.key.read_text()
    assert text.startswith("sherd-key-1:") and text.endswith("\n")
    done = box.run("keygen", box.key, code=CONFLICT)
    box.one_line(done, "never overwritten")
    assert box.key.read_text() == text
    box.run("keygen", box.path("other.key"))
    assert box.path("other.key").read_text() != text
    box.path("link").symlink_to("elsewhere")
    box.run("keygen", box.path("link"), code=CONFLICT)
    assert not box.path("elsewhere").exists()


def test_cli_keygen__warns_inside_a_vault(box):
    box.init()
    done = box.run("keygen", box.vault / "inside.key")
    assert b"warning" in done.stderr and b"inside a vault" in done.stderr
    assert box.run("keygen", box.path("outside.key")).stderr == b""


def test_cli_help__tells_of_every_command(box):
    text = box.run("help").stdout.decode()
    assert text == box.run("--help").stdout.decode() == box.run("-h").stdout.decode()
    for name in "init put get update rm ls stat verify sweep info import export inspect collection keygen".split():
        assert f"\n  {name} " in text, name
        own = box.run("help", name).stdout.decode()
        assert own.startswith(f"usage: sherd {name} ") and "Exit codes" in own
        assert own == box.run(name, "--help").stdout.decode()
    box.run("help", "nonsense", code=USAGE)


def test_cli_version__is_printed(box):
    text = box.run("version").stdout.decode()
    assert text.startswith("sherd ") and text == box.run("--version").stdout.decode()


if __name__ == "__main__":
    main(globals())
