"Commands as processes, for the tests: start, run, wait without a clock, and check a refusal."
import json, os, signal, subprocess, sys, time
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONG = 1800  # seconds: no machine needs them, so only a command that hangs does
_ini = ConfigParser(delimiters=['='], interpolation=None)
_ini.read(ROOT/'settings.ini', encoding='utf-8')
MODULES = {n: where.split(':')[0] for n, where in (c.split('=') for c in _ini['DEFAULT']['console_scripts'].split())}


def code_of(command, before=''): return f'import sys; {before}from {MODULES[command]} import main; sys.exit(main())'


def heard(): signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test run in the background hands its deafness on


def start(command, *args, cwd, before='', **environment):
    "The command as a process of its own session; `before` is Python that it runs first."
    return subprocess.Popen([sys.executable, '-c', code_of(command, before), *map(str, args)], cwd=cwd, env=dict(os.environ, MPLBACKEND='agg', **environment),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heard)


def finish(process):
    "Its exit code, output and errors, once it has ended by itself."
    try: out, err = process.communicate(timeout=LONG)
    finally: process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run(command, *args, cwd, **environment): return finish(start(command, *args, cwd=cwd, **environment))


def wait_until(true, process):
    "Until `true()`, while the process lives."
    end = time.monotonic() + LONG
    while not true():
        assert process.poll() is None, process.communicate()
        if time.monotonic() > end: process.kill(); raise TimeoutError(f'not within {LONG} s')
        time.sleep(0.1)


_EACH = '''import contextlib, io, json, sys
from {module} import main
for args in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try: code = main(args)
        except SystemExit as e: code = e.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
'''


def run_each(command, calls, cwd):
    "One process that calls the command with each list of arguments; for the many ways to be refused."
    lists = json.dumps([[str(a) for a in args] for args in calls])
    r = subprocess.run([sys.executable, '-c', _EACH.format(module=MODULES[command]), lists], cwd=cwd, env=dict(os.environ, MPLBACKEND='agg'), capture_output=True, text=True, timeout=LONG)
    assert r.returncode == 0 and r.stderr == '', r.stderr
    return [subprocess.CompletedProcess(args, *json.loads(line)) for args, line in zip(calls, r.stdout.splitlines(), strict=True)]


def refused(result, *words):
    "Whether the command ended as on a user's mistake: code 2, one line of reason, no traceback."
    assert result.returncode == 2, (result.args, result.returncode, result.stderr)
    lines = [l for l in result.stderr.splitlines() if l]
    assert len(lines) == 1 and 'Traceback' not in lines[0], (result.args, result.stderr)
    for word in words: assert word in lines[0], (result.args, lines[0])
