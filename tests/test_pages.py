"The rules of pages: what each finds on small notebooks made here, and the notebooks themselves."
import base64, json, struct, subprocess, sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT/'tools'))
from check_pages import RULES, problems
from pages import Page, notebooks

# rules that every page keeps; the two others still know a class, a command, some long references
KEPT = [r for r in RULES if r not in ('exported_lines', 'page_cells')]


@pytest.mark.parametrize('rule', KEPT)
def test_pages_keep_the_rules(rule):
    found = [line for p in notebooks() for _, line in problems(Page(p), [rule])]
    assert not found, '\n'.join(found)


def picture(width):
    "The head of a PNG as an output."
    png = b'\x89PNG\r\n\x1a\n' + struct.pack('>I4sII', 13, b'IHDR', width, 9)
    data = {'image/png': base64.b64encode(png).decode()}
    return dict(output_type='display_data', metadata={}, data=data)


def page(folder, cells, name='a'):
    """Write a notebook and read it as a page. A cell that begins with `md ` is Markdown; `-> 800`
    at the end of code stands for a picture of that width."""
    made = []
    for i, source in enumerate(cells):
        cell = dict(cell_type='markdown', id=str(i), metadata={}, source=source[3:])
        if not source.startswith('md '):
            code, _, width = source.partition('-> ')
            outputs = [picture(int(width))] if width else []
            cell |= dict(cell_type='code', source=code, execution_count=None, outputs=outputs)
        made.append(cell)
    path = folder/f'{name}.ipynb'
    path.write_text(json.dumps(dict(cells=made, metadata={}, nbformat=4, nbformat_minor=5)))
    return Page(path, folder)


def lines(page, rule): return [line.split(f'{rule}: ')[1] for _, line in problems(page, [rule])]


LONG = '#| export\n' + 'x = 1\n\n'*31


@pytest.mark.parametrize('rule, cells, found', [
    ('width', ['#| hide\n' + 'x'*100, f'#| {"y"*200}\nx = """\n{"é"*101}"""'], ['104 characters']),
    ('picture_width', ['-> 800', '#| small\nb-> 9', '#| hide\nc-> 9', 'd-> 799'], ['799 pixels']),
    ('picture_words', ['md A fact.', 'a-> 1', '#| hide\nb-> 1', 'md ## A', 'c-> 1', 'd', 'e-> 1',
                       'md E.'], ["after '## A'"]),
    ('exported_lines', [LONG, LONG.replace('export', 'hide'), LONG[:-7]], ['31 lines']),
    ('page_cells', ['1']*81, ['81 cells']),
    ('page_cells', ['1']*80, []),
    ('file_names', ['md See `21_pure` or [22a_x.ipynb](../2/22a_x.ipynb).', '21_pure',
                    'md The page before; Next pages of 21 pages.', 'md ```\n21_pure\n```',
                    'md [A title](2/21_pure.ipynb), $x_{21_a}$'],
     ['21_pure', '22a_x', 'page before', 'Next pages']),
    ('links', ['md # A title: `b`', '#| export\ndef F(): 1', 'md [a](a.ipynb) [b](#a-title-b)',
               'md [c](#f.g) [d](b.ipynb) [e](a.ipynb#f) [g](#g) [h](https://x.org/c.ipynb#d)'],
     ['b.ipynb', '#g']),
    ('hidden_names', ['#| hide\nimport a, b\ndef f(): 1\ng = lambda: 1\nx = 1',
                      '#| hide\ndef h(): 1', '#| export\ndef h(): b', 'f(g, x, h())\n%magic',
                      'f()', 'lambda a: a'],
     ["b in 'def h(): b'", "f in 'f(g, x, h())'", "g in 'f(g, x, h())'"]),
    ('hidden_names', ['#| hide\nimport a', 'a.b()', '%time a'], []),  # gathered in a fold
    ('hidden_names', ['#| hide\nimport a', '#| echo: true\nimport b', 'a.b()'], ["a in 'a.b()'"]),
    ('own_module', ['#| default_exp o.a', "#| export\nf = custom_op('o::a')(g)", 'import infsa.o.a',
                    'from infsa.o import a, b', 'from infsa.o.a import f', 'import infsa.o.b'],
     ['import infsa.o.a', 'from infsa.o import a, b', 'from infsa.o.a import f']),
    ('own_module', ['#| default_exp o.a', 'from infsa.o.a import f'], []),  # nothing to register
])
def test_rules_of_all_pages(tmp_path, rule, cells, found):
    assert sorted(lines(page(tmp_path, cells), rule)) == sorted(found)


TITLE, HERE = 'md # T', 'md *Story 2 of 10 · before: [A](a.ipynb) · next: [C](c.ipynb)*'
ANSWER, FAIL = '#| code-fold: true\nassert 1', 'test_fail(f)'


@pytest.mark.parametrize('rule, cells, found', [
    ('story_cells', ['1']*49 + [HERE, '#| hide\n2'], ['51 cells']),
    ('story_picture', [HERE, *['1']*10, 'a-> 9'], []),
    ('story_picture', [HERE, *['1']*11, 'a-> 9'], ['none']),
    ('story_refusals', [HERE, FAIL, f'#| hide\n{FAIL}', f'#| code-fold: true\n{FAIL}'], []),
    ('story_refusals', [HERE, f'{FAIL}; {FAIL}'], ['2 of them']),
    ('story_links', ['#| default_exp a', TITLE, HERE, 'md A.', '1', HERE, '#| hide\n1'], []),
    ('story_links', [TITLE, 'md A.', HERE, '1', HERE, '1'],
     ['none at the end', 'none below the title']),
    ('story_links', [TITLE, HERE.replace('before', 'after'), HERE], ['none below the title']),
    ('story_links', [TITLE, 'md *Story 10 of 10 · before: [A](a.ipynb)*'], []),
    ('story_answers', [HERE, ANSWER, ANSWER, ANSWER], []),
    ('story_answers', [HERE, ANSWER, ANSWER, '#| code-fold: true\nx', 'assert 1'], ['2 answers']),
])
def test_rules_of_the_story(tmp_path, rule, cells, found):
    assert sorted(lines(page(tmp_path, cells), rule)) == sorted(found)
    assert not lines(page(tmp_path, [c for c in cells if '*Story' not in c]), rule)


def test_links_of_the_story_go_to_its_pages_by_their_titles(tmp_path):
    for name, k in (('b', 1), ('c', 3), ('d', 4)):
        page(tmp_path, [f'md # {name.upper()}', f'md *Story {k} of 10 · x*'], name)
    here = 'md *Story 2 of 10 · before: [B](b.ipynb) · next: [{}]({}.ipynb)*'
    for given, found in ((('C', 'c'), []), (('See', 'c'), ['next: See']),
                         (('D', 'd'), ['next: D'])):
        assert lines(page(tmp_path, [TITLE, here.format(*given)]), 'story_order') == found


def test_the_door_of_the_story_has_a_way_on(tmp_path):
    for words, places in (('Start here, then go to [A](a.ipynb).', 0), ('Start here.', 2)):
        door = page(tmp_path, [f'{TITLE}\n\n*{words}*'], name='00_sixty_lines')
        assert door.story == 0 and len(lines(door, 'story_links')) == places


def check_pages(*args):
    command = [sys.executable, ROOT/'tools/check_pages.py', *args]
    return subprocess.run(command, capture_output=True, text=True)


def test_findings_are_counted_and_are_the_exit_code():
    every, one = check_pages('--counts'), check_pages('picture_words', '--page', 'index')
    words = every.stdout.split()
    assert words[3::2] == list(RULES) and every.returncode == any(map(int, words[2::2]))
    assert one.stdout.split() == ['1', 'pages', '0', 'picture_words'] and one.returncode == 0
    wrong = check_pages('widht')
    assert wrong.returncode == 2 and 'no such rule: widht' in wrong.stderr
    assert all(name in check_pages('--help').stdout for name in RULES)


def test_a_warning_with_a_path_is_found(tmp_path):
    made = page(tmp_path, ['x', 'y'])
    for cell, said in zip(made.cells, ('/a/.venv/lib/site-packages/b.py:1: Warning', 'a/b: fine')):
        cell['outputs'] = [dict(output_type='stream', name='stderr', text=[said])]
    assert lines(made, 'machine_paths') == ['/a/.venv/lib/site-packages/b.py:1:']
