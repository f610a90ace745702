#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is printed about the program is true: the README's session, the demo, manual pages."""
import os
import re
import subprocess

from harness import COMPARTMENTS, ROOT, main

COMMANDS = ("init put get update rm ls stat verify sweep info import export inspect collection keygen help "
            "version").split()


def session():
    """The block of README.md behind the comment that marks it."""
    text = (ROOT / "README.md").read_text()
    return re.search(r"<!-- session:.*?-->\n```sh\n(.*?)```\n", text, re.S).group(1)


def test_cli_readme__session_runs_as_it_stands(box):
    env = {**box.env, "PATH": f"{box.program.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", session()], cwd=box.dir, env=env, capture_output=True, timeout=120,
                          check=False)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "the same bytes" in out, (out, err)
    assert out.count("exit code 3") == 2 and out.count("exit code") == 2, (out, err)
    assert out.count("readable text found: none") == len(COMPARTMENTS), out
    assert "A long letter" in out and "1 violation" in out, out
    assert err.count("sherd: get: ") == 1 and err.count("sherd: verify: ") == 1 and err.count("\n") == 2, err


def test_cli_readme__demo_runs(box):
    done = subprocess.run([ROOT / "tools" / "demo.sh", box.program.parent], cwd=box.dir, env=box.env,
                          capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done
    for line in session().split("\n"):
        assert line in done.stdout.decode(), line
    assert os.listdir(box.dir) == []


def test_cli_readme__links_lead_somewhere(box):
    del box
    for name in ["README.md", "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
            assert (ROOT / target).exists(), (name, target)


def options_of(box, command):
    """(option names of the command itself, as help shows them)"""
    text = box.run("help", command).stdout.decode().split("Options of every command:")[0]
    return set(re.findall(r"^  (?:-\w, |    )--([\w-]+)", text, re.M))


def test_cli_manual__has_every_command_and_option(box):
    for command in COMMANDS:
        page = ROOT / "docs" / "man" / f"sherd-{command}.1.scd"
        if command in ["help", "version"]:
            assert f"*sherd {command}*" in (ROOT / "docs" / "man" / "sherd.1.scd").read_text()
            continue
        text = page.read_text()
        assert f"*sherd-{command}*(1)" in (ROOT / "docs" / "man" / "sherd.1.scd").read_text(), command
        assert set(re.findall(r"^[|:]..*?\*--([\w-]+)\*", text, re.M)) >= options_of(box, command), command
        for option in options_of(box, command):
            assert f"*--{option}*" in text, (command, option)
    text = (ROOT / "docs" / "man" / "sherd.1.scd").read_text()
    shown = box.run("help").stdout.decode()
    for option in re.findall(r"^  (?:-\w, |    )--([\w-]+)", shown, re.M):
        assert f"*--{option}*" in text, option


def test_cli_manual__can_be_made(box):
    for page in (ROOT / "docs" / "man").glob("*.scd"):
        done = subprocess.run(["scdoc"], stdin=open(page, "rb"), capture_output=True, cwd=box.dir, check=False)
        assert done.returncode == 0 and done.stdout.count(b".SH") >= 3, (page, done.stderr)


if __name__ == "__main__":
    main(globals())
