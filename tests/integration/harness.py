# SPDX-License-Identifier: Apache-2.0
"""Runs the functions test_* of a file, each with a directory of its own, and drives the real program in it.

The program's path is the first argument of a test file; names of tests may follow. Results are printed as cmocka prints
them, so that tools/count-tests counts each function.
"""
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
COMPARTMENTS = ["identity", "assets", "secrets", "keys"]
SANITIZER = re.compile(rb"AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehaviorSanitizer")

# Exit codes, as the manual states them.
OK, FAILURE, USAGE, TAMPERED, NOT_FOUND, DENIED, CONFLICT, BUSY, UNSUPPORTED = range(9)


class OneOf:
    """An exit code that may be one of several."""

    def __init__(self, *codes):
        self.codes = codes

    def __eq__(self, code):
        return code in self.codes

    def __repr__(self):
        return f"one of {self.codes}"


class Box:
    """A directory of its own, and the program."""

    def __init__(self, program, folder):
        self.program = program
        self.dir = Path(folder)
        self.vault = self.dir / "vault"
        self.key = self.dir / "my.key"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SHERD_")}
        self.env["XDG_RUNTIME_DIR"] = str(self.dir)  # where agents are looked for
        self.started = []

    def path(self, name):
        return self.dir / name

    def command(self, *args):
        return [str(self.program), *map(str, args)]

    def start(self, *args, **options):
        """Start the program, without waiting for it."""
        options.setdefault("env", self.env)
        options.setdefault("cwd", self.dir)
        self.started.append(subprocess.Popen(self.command(*args), **options))
        return self.started[-1]

    def end(self):
        """Nothing that was started outlives its test."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()

    def run(self, *args, code=OK, **options):
        """Run the program to its end. code: how it must end."""
        options.setdefault("env", self.env)
        options.setdefault("cwd", self.dir)
        options.setdefault("timeout", 240)
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        done = subprocess.run(self.command(*args), check=False, **options)
        told = f"{args}\nexit code {done.returncode}, expected {code}\nstdout: {(done.stdout or b'')[:2000]!r}\n" \
               f"stderr: {(done.stderr or b'').decode(errors='replace')[-4000:]}"
        assert not SANITIZER.search(done.stderr or b""), told
        assert done.returncode == code, told
        return done

    def opening(self):
        """What opens the vault: options that stand before a command."""
        return ["--vault", self.vault, "--key-file", self.key]

    def sherd(self, *args, code=OK, **options):
        """Run the program on the vault with its key file."""
        return self.run(*self.opening(), *args, code=code, **options)

    def text(self, *args, **options):
        """What it prints, as text without the last newline."""
        return self.sherd(*args, **options).stdout.decode().rstrip("\n")

    def json(self, *args, code=OK, **options):
        """What it prints, parsed."""
        return json.loads(self.sherd(*args, "--json", code=code, **options).stdout)

    def while_closed(self, change):
        """Do something to the vault's files while nobody has it open."""
        change()

    def fails(self, *args, code, says="", **options):
        """One line on stderr that begins with "sherd: " and holds `says`. Returns it."""
        done = self.sherd(*args, code=code, **options)
        return self.one_line(done, says)

    @staticmethod
    def one_line(done, says=""):
        lines = done.stderr.decode().rstrip("\n").split("\n")
        if done.returncode == USAGE:
            assert lines.pop().startswith("Try `sherd help"), done.stderr
        assert len(lines) == 1 and lines[0].startswith("sherd: "), done.stderr
        assert says in lines[0], (says, lines[0])
        return lines[0]

    def init(self):
        """A vault that a key file opens."""
        self.run("keygen", self.key)
        self.sherd("init")
        return self

    def put(self, content, *args):
        """Store bytes; their UUID."""
        return self.text("put", "-", *args, input=content)

    def get(self, record, *args, code=OK):
        return self.sherd("get", record, *args, code=code).stdout

    def blobs(self):
        """The files that hold long contents."""
        return sorted(path for path in (self.vault / "secrets" / "blobs").rglob("*") if path.is_file())

    def flip(self, path, offset):
        """Change one byte of a file, which the program may have open."""
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1]))


def run_one(name, function, program):
    folder = tempfile.mkdtemp(prefix="sherd-test-")
    box = Box(program, folder)
    try:
        function(box)
        print(f"[       OK ] {name}")
        return "passed"
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc(file=sys.stdout)
        print(f"[  FAILED  ] {name}")
        return "failed"
    finally:
        box.end()
        for parent, folders, _ in os.walk(folder):
            for entry in folders:
                path = os.path.join(parent, entry)
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
        shutil.rmtree(folder, ignore_errors=True)
        sys.stdout.flush()


def main(module):
    program = Path(sys.argv[1]).resolve()
    tests = [(name, value) for name, value in module.items() if name.startswith("test_") and inspect.isfunction(value)]
    if len(sys.argv) > 2:
        tests = [(name, value) for name, value in tests if name in sys.argv[2:]]
    totals = {"passed": 0, "failed": 0}
    for name, function in tests:
        print(f"[ RUN      ] {name}", flush=True)
        totals[run_one(name, function, program)] += 1
    print(f"[==========] {len(tests)} test(s) run.")
    print(f"[  PASSED  ] {totals['passed']} test(s).")
    if totals["failed"]:
        print(f"[  FAILED  ] {totals['failed']} test(s).")
    sys.exit(1 if totals["failed"] or not totals["passed"] else 0)
