#!/usr/bin/env bash
# Build source archive and wheel, look at what is in them, install the wheel without the dev extra into a fresh environment, and train two
# steps there.
# usage: tools/check_wheel.sh [--fresh] [REQUIREMENT ...]
# The packages it needs are lent by .venv, those alone. --fresh, or requirements such as "torch==2.14.1", get them from the index (several GB).
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
python=$(command -v "$python") || { echo 'check_wheel: run make test once, or name an environment with PYTHON=...' >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m build --outdir "$work/dist" . > "$work/build.log" 2>&1 || { tail -20 "$work/build.log"; exit 1; }
"$python" -m twine check --strict "$work"/dist/*
"$python" - "$work"/dist/*.whl <<'PY'
import re, sys, zipfile
held = zipfile.ZipFile(sys.argv[1]).namelist()
strange = [n for n in held if not re.fullmatch(r'infsa/(.+\.py|py\.typed)|infsa_notebooks-[\d.]+\.dist-info/.+', n)]
assert not strange and 'infsa/py.typed' in held, strange  # no notebook, no result, no picture
print(f'{len(held)} files in the wheel, modules all but those that describe it')
PY
"$python" -m venv "$work/venv"
if [ $# -eq 0 ]; then
    "$python" tools/lend_packages.py "$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-index "$work"/dist/*.whl  # fails if a need of the wheel was not lent
    "$work/venv/bin/pip" check --disable-pip-version-check
else
    [ "$1" != --fresh ] || shift
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$work"/dist/*.whl "$@"
fi
cd "$work"
venv/bin/pip list --format=freeze --disable-pip-version-check | grep -E '^(torch|torchvision|fastai|fastcore|infsa-notebooks)=='
! venv/bin/python -c 'import nbdev' 2> /dev/null || { echo 'nbdev came with the wheel'; exit 1; }
INFSA_DATA="$work/data" venv/bin/python - <<'PY'
import warnings; warnings.simplefilter('ignore')
import sys, infsa
heavy = {'fastai', 'torchvision', 'matplotlib'} & set(sys.modules)
assert not heavy, f'import infsa loads {heavy}'
import torch
from infsa.data.loaders import imagenet_dls, mini_imagenet
from infsa.models.weights import load_model
from infsa.training.run import RECIPES, train
from dataclasses import replace
data = mini_imagenet(n_train=128, n_valid=64, progress=False)
start = infsa.create_model('infvit_mini_linear').state_dict()
summary = train(data, recipe=replace(RECIPES['mini'], epochs=1, bs=64, warmup=0), out='run')
assert summary['finished'] and summary['accuracy'] is not None, summary
model = load_model('run/model.safetensors')
assert all(torch.isfinite(p).all() for p in model.parameters())
print('two steps of training ran from the wheel')
PY
