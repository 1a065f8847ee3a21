"Kills training runs at random moments and counts how many go on to the end of a run that was left alone."
import argparse, os, random, signal, subprocess, sys, tempfile, time
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


def main(argv=None):
    "The command."
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('--tries', type=int, default=20)
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--out', default='nbs/results/killed.json')
    args = p.parse_args(argv)
    from infsa.command import environment, write_json
    from infsa.data.mini import mini_imagenet
    tmp = Path(tempfile.mkdtemp())
    data = mini_imagenet(tmp/'mini', n_train=256, n_valid=60, progress=False)
    rows = [killed_runs(args.tries, w, args.seed, data, tmp) for w in (0, 2)]
    write_json(args.out, dict(command='python tools/kill_runs.py', seed=args.seed, environment=environment(), rows=rows))
    for row in rows: print(row)
    return 0 if all(r['same'] == r['tries'] for r in rows) else 1


if __name__ == '__main__': sys.exit(main())
