"The house: which room may import which, names of wings, and the order of pages."
import ast, json, re, subprocess, sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = dict(command=1, plotting=1, figures=1, theory=1, operators=2, data=2, models=3, maps=4, training=5, evaluation=6, scale=6)
WINGS = [w for w in FLOORS if (ROOT/'infsa'/w).is_dir()]
ROOMS = [p for p in sorted((ROOT/'infsa').rglob('*.py')) if p.name not in ('__init__.py', '_modidx.py', *['kernels.py']*(find_spec('triton') is None))]
PAGES = sorted(p for p in (ROOT/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts and p.name != 'index.ipynb')


def name(path): return '.'.join(path.relative_to(ROOT).with_suffix('').parts)


def imports(path):
    "Rooms that a module imports anywhere, functions included, as full names."
    package = name(path).split('.')[:-1]
    for n in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(n, ast.ImportFrom):
            base = package[:len(package) - n.level + 1] if n.level else []
            full = '.'.join([*base, *([n.module] if n.module else [])])
            if full.split('.')[0] == 'infsa': yield full
        elif isinstance(n, ast.Import): yield from (a.name for a in n.names if a.name.split('.')[0] == 'infsa')


def floor(module): return FLOORS[module.split('.')[1]]


def test_every_room_stands_in_a_wing():
    assert {name(p).split('.')[1] for p in ROOMS} == set(FLOORS)


def test_no_room_looks_up():
    up = [f'{name(p)} imports {m}' for p in ROOMS for m in imports(p)
          if m == 'infsa' or floor(m) > floor(name(p)) or floor(m) == floor(name(p)) and FLOORS[name(p).split('.')[1]] > 1
          and m.split('.')[1] != name(p).split('.')[1]]
    assert not up, '\n'.join(up)


def test_no_circle():
    graph = {name(p): set(imports(p)) & {name(q) for q in ROOMS} for p in ROOMS}
    done = set()
    while ready := [m for m in graph if m not in done and graph[m] <= done]: done.update(ready)
    assert done == set(graph), f'in a circle: {sorted(set(graph) - done)}'


@pytest.mark.parametrize('wing', WINGS)
def test_a_wing_knows_the_names_of_its_rooms(wing):
    "All that its rooms define for others, short of names that a room bears and of the functions of commands."
    rooms, wanted = {p.stem for p in ROOMS if p.parent.name == wing}, set()
    for room in rooms:
        module = import_module(f'infsa.{wing}.{room}')
        tree = ast.parse(Path(module.__file__).read_text(encoding='utf-8'))
        here = {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        here |= {x.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets for x in ast.walk(t) if isinstance(x, ast.Name)}
        wanted |= set(module.__all__) & here - {'main'}
    package = import_module(f'infsa.{wing}')
    assert set(package.__all__) == wanted - rooms
    for n in package.__all__: getattr(package, n)


def loaded(code):
    "Which heavy packages a fresh Python has loaded after `code`."
    heavy = 'fastai', 'torchvision', 'matplotlib', 'safetensors', 'pandas', 'sklearn', 'PIL', 'torch._dynamo'
    out = subprocess.run([sys.executable, '-c', f'{code}\nimport sys; print([m for m in {heavy!r} if m in sys.modules])'],
                         capture_output=True, text=True, check=True)
    return ast.literal_eval(out.stdout)


def test_torch_is_enough():
    rooms = [name(p) for p in ROOMS if floor(name(p)) == 1 or name(p).split('.')[1] in ('operators', 'models')]
    rooms.remove('infsa.models.timm')  # who imports it asks for timm
    assert not loaded('\n'.join(f'import {m}' for m in ['infsa', *rooms]))


def test_tasks_need_torch_and_scipy_alone():
    assert not loaded('import infsa.data.tasks')


def test_scale_needs_no_fastai():
    assert 'fastai' not in loaded('\n'.join(f'import {name(p)}' for p in ROOMS if name(p).split('.')[1] == 'scale'))


def key(path): return int(path.parent.name[0]) if path.parent.name[0].isdigit() else 10, path.stem.split('_')[0]


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.stem)
def test_a_page_imports_from_lower_numbers(page):
    if page.stem == '00_sixty_lines': pytest.skip('the door checks itself against the whole house')
    made = {}
    for p in PAGES:
        found = re.search(r'#\| default_exp ([\w.]+)', p.read_text(encoding='utf-8'))
        if found: made[f'infsa.{found[1]}'] = p
    code = ['\n'.join(l for l in ''.join(c['source']).splitlines() if l[:1] not in '%!')
            for c in json.loads(page.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'code']
    for n in ast.walk(ast.parse('\n'.join(code))):
        module = n.module if isinstance(n, ast.ImportFrom) else None
        if module in made and made[module] != page: assert key(made[module]) < key(page), f'{page.name} imports {module} of {made[module].name}'


def test_numbers_are_given_once():
    numbers = [p.stem.split('_')[0] for p in PAGES if p.parent.name != 'tutorials']
    assert len(numbers) == len(set(numbers)), sorted(n for n in numbers if numbers.count(n) > 1)
