"The expectations of `tools/contract.py` that are quick to check, and the table on the page of the contract; the tool itself checks all, weekly."
import json, sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT/'tools'))
from contract import FEATURES, outcome


TABLE = ROOT/'nbs'/'results'/'contract.json'
QUICK = [e for e in FEATURES if not e['slow']]
PROGRAMS = [e for e in QUICK if e['name'].startswith(('compile', 'torch.export', 'ONNX'))]


def same_as_in_the_table(entry):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try: found = {v: outcome(entry, v) for v in entry['quick']}
    finally: torch.set_num_threads(threads)
    row = json.loads(TABLE.read_text())['features'][entry['name']]
    assert found == {v: row[v] for v in entry['quick']}


@pytest.mark.parametrize('entry', [e for e in QUICK if e not in PROGRAMS], ids=lambda e: e['name'])
def test_contract(entry): same_as_in_the_table(entry)


@pytest.mark.parametrize('entry', PROGRAMS, ids=lambda e: e['name'])
def test_programs(entry): same_as_in_the_table(entry)


def test_the_table_has_no_wrong_entry():
    table = json.loads(TABLE.read_text())['features']
    assert list(table) == [e['name'] for e in FEATURES]
    assert {o for row in table.values() for o in row.values()} <= {'ok', 'refused', 'warned', '-', "PyTorch's kernel has none"}
