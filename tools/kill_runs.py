"Kills training runs at random moments, or asks them to stop, and counts how many go on to the end of a run that was left alone."
import argparse, os, random, signal, socket, subprocess, sys, tempfile, time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent/'tests'))
from processes import code_of  # noqa: E402

RUN = '--epochs', '3', '--warmup', '0.5', '--bs', '32', '--device', 'cpu', '--checkpoint-every', '1e-9'


def command(*args): return [sys.executable, '-c', code_of('infsa_train'), *map(str, args)]


def ended(folder):
    "Weights of a finished run and its history without the columns of the clock."
    from infsa.models.weights import load_model
    from infsa.training.seen import read_history
    weights = b''.join(t.numpy().tobytes() for t in load_model(folder/'model.safetensors').state_dict().values())
    return weights, read_history(folder/'history.csv')


def killed_runs(tries, workers, seed, data, tmp):
    "(runs that were killed before their end, those among them that ended as the calm run, killed while a file was written)."
    calm, env = tmp/f'calm{workers}', dict(os.environ, OMP_NUM_THREADS='1', MPLBACKEND='agg')
    args = '--data', data, *RUN, '--num-workers', workers
    p = subprocess.Popen(command(*args, '--out', calm), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (calm/'config.json').exists() and p.poll() is None: time.sleep(0.01)
    began = time.monotonic()
    while not (calm/'summary.json').exists() and p.poll() is None: time.sleep(0.01)
    seconds, rng = time.monotonic() - began, random.Random(seed)
    if p.wait(): raise SystemExit(f'the run that is left alone failed with {p.returncode}')
    killed = same = writing = 0
    for i in range(tries):
        out = tmp/f'run{workers}-{i}'
        p = subprocess.Popen(command(*args, '--out', out), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        while not (out/'config.json').exists() and p.poll() is None: time.sleep(0.01)
        try: p.wait(rng.uniform(0, seconds))
        except subprocess.TimeoutExpired: pass
        killed += p.poll() is None
        with suppress(ProcessLookupError): os.killpg(p.pid, signal.SIGKILL)
        p.wait()
        writing += bool(list(out.glob('**/.[0-9]*-*')))
        if not (out/'summary.json').exists(): subprocess.run(command('--resume', out), env=env, check=True, capture_output=True)
        same += ended(out) == ended(calm)
    return dict(workers=workers, tries=tries, killed=killed, writing=writing, same=same)


def launch(args, processes):
    "A run as so many processes, each the leader of a group with its workers."
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        told = dict(WORLD_SIZE=str(processes), MASTER_ADDR='127.0.0.1', MASTER_PORT=str(s.getsockname()[1])) if processes > 1 else {}
    env = dict(os.environ, OMP_NUM_THREADS='1', MPLBACKEND='agg', **told)
    ranks = [dict(RANK=str(r), LOCAL_RANK=str(r)) if told else {} for r in range(processes)]
    return [subprocess.Popen(command(*args), env=env | r, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) for r in ranks]


def asked_runs(tries, workers, processes, seed, data, tmp):
    "How runs end after SIGTERM at random moments of training: the seconds until all processes are gone, their exit codes, the runs that ended as one that was left alone."
    args = '--data', data, '--epochs', '8', *RUN[2:-1], '1000', '--num-workers', workers
    calm, rng, seconds, codes, same = tmp/f'left{workers}-{processes}', random.Random(seed), [], [], 0
    if any(p.wait() for p in launch((*args, '--out', calm), processes)): raise SystemExit('the run that is left alone failed')
    for i in range(tries):
        out = tmp/f'asked{workers}-{processes}-{i}'
        running = launch((*args, '--out', out), processes)
        while not (out/'history.csv').exists() and running[0].poll() is None: time.sleep(0.01)
        time.sleep(rng.uniform(0, 2))
        began = time.monotonic()
        for p in running:
            with suppress(ProcessLookupError): os.killpg(p.pid, signal.SIGTERM)
        codes += [p.wait() for p in running]
        seconds.append(time.monotonic() - began)
        if not (out/'summary.json').exists():
            if any(p.wait() for p in launch(('--resume', out), processes)): raise SystemExit(f'{out} did not go on')
        same += ended(out) == ended(calm)
    return dict(workers=workers, processes=processes, tries=tries, seconds=sorted(round(s, 2) for s in seconds), codes={str(c): codes.count(c) for c in sorted(set(codes))}, same=same)


def main(argv=None):
    "The command."
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('--tries', type=int, default=20)
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--ask', action='store_true', help='SIGTERM instead of SIGKILL, to one process and to two')
    p.add_argument('--out', help='nbs/results/killed.json, or asked.json with --ask')
    args = p.parse_args(argv)
    from infsa.command import environment, write_json
    from infsa.data.mini import mini_imagenet
    tmp = Path(tempfile.mkdtemp())
    data = mini_imagenet(tmp/'mini', n_train=256, n_valid=60, progress=False)
    if args.ask: rows = [asked_runs(args.tries, w, n, args.seed, data, tmp) for w, n in ((0, 1), (2, 1), (1, 2))]
    else: rows = [killed_runs(args.tries, w, args.seed, data, tmp) for w in (0, 2)]
    out = args.out or f'nbs/results/{"asked" if args.ask else "killed"}.json'
    write_json(out, dict(command='python tools/kill_runs.py' + ' --ask'*args.ask, seed=args.seed, environment=environment(), rows=rows))
    for row in rows: print(row)
    return 0 if all(r['same'] == r['tries'] for r in rows) else 1


if __name__ == '__main__': sys.exit(main())
