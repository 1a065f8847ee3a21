"What the tutorial on ImageNet tells to type is what the commands take."
import json, re, shlex, subprocess

import yaml
from infsa.data.check import _parser as of_data
from infsa.evaluation.evaluate import _parser as of_eval
from infsa.training.run import _parser as of_train

from processes import ROOT

PAGE = ROOT/'nbs'/'tutorials'/'train_on_imagenet.ipynb'
WORDS = '\n'.join(''.join(c['source']) for c in json.loads(PAGE.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'markdown')


def blocks(kind): return re.findall(rf'```{kind}\n(.*?)```', WORDS, re.S)


def parsed(line):
    "What the command of a line makes of its arguments."
    words = shlex.split(line)
    if words[0] == 'torchrun':
        at = words.index('-m')
        assert words[1:at] == ['--standalone', '--nproc_per_node=8'] and words[at + 1] == 'infsa.training.run', line
        words = ['infsa_train', *words[at + 2:]]
    parser = dict(infsa_data=of_data, infsa_train=of_train, infsa_eval=of_eval)[words[0]]
    return vars(parser().parse_args(words[1:]))


def scripts():
    job, = map(yaml.safe_load, blocks('yaml'))
    slurm, = blocks('bash')
    return slurm, job['spec']['template']['spec']['containers'][0]['args'][0]


def test_every_command_is_taken_by_its_parser():
    lines = [l for b in blocks('sh') for l in b.splitlines()]
    found = [parsed(l) for l in lines]
    assert len(lines) == 8 and [f.get('out') for f in found].count('runs/linear') == 2, lines
    for script in scripts():
        calls = re.findall(r'args=\((.*?)\)', script)
        assert [bool(parsed(f'infsa_train {c}')['resume']) for c in calls] == [True, False], script
        assert 'infsa.training.run "${args[@]}"' in script


def test_the_scripts_are_shell_and_the_manifest_is_a_job():
    for script in scripts():
        r = subprocess.run(['bash', '-n'], input=script, capture_output=True, text=True)
        assert (r.returncode, r.stderr) == (0, ''), r.stderr
    job = yaml.safe_load(blocks('yaml')[0])
    spec = job['spec']['template']['spec']
    assert (job['kind'], job['apiVersion'], spec['restartPolicy']) == ('Job', 'batch/v1', 'Never')
    assert {m['name'] for m in spec['containers'][0]['volumeMounts']} == {v['name'] for v in spec['volumes']}


def test_a_renamed_option_would_be_seen():
    for line in ('infsa_train --dataset x', 'infsa_data verify x --permit y', 'infsa_eval --weight-files x'):
        try: parsed(line)
        except SystemExit as e: assert e.code == 2
        else: raise AssertionError(line)
