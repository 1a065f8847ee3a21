"Figures that move, driven in a browser: what the script shows must be what Python says."
import html, json, math, shutil, subprocess

import numpy as np
import pytest

from infsa.figures import draw_graph, draw_patches, walk_figure
from infsa.scale.switches import race_figure, said_seconds

CHROME = next(filter(None, map(shutil.which, ['chromium', 'chromium-browser', 'google-chrome'])), None)
pytestmark = pytest.mark.skipif(CHROME is None, reason='no Chromium on this machine')
RHOS, HOPS = [.3, .6, .9], [1, 2, 5, math.inf]
HELP = """const all = (e, s) => [...e.querySelectorAll(s)], figures = all(document, 'figure'), errors = [];
window.onerror = m => { errors.push(m); };
const put = (e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); };
const shown = e => getComputedStyle(e).display != 'none';"""


def drive(folder, figures, script):
    "What `script` returns on a page that holds the figures, and nothing else."
    body = '\n'.join(f.data for f in figures)
    page = folder/'page.html'
    page.write_text(f'<!doctype html><meta charset="utf-8"><body>{body}<pre></pre><script>{HELP}\n'
                    'document.querySelector("pre").textContent = '
                    f'JSON.stringify([(() => {{{script}}})(), errors]);</script>', encoding='utf-8')
    out = subprocess.run([CHROME, '--headless', '--no-sandbox', '--disable-gpu', f'--user-data-dir={folder/"profile"}',
                          '--dump-dom', page.as_uri()], capture_output=True, text=True, timeout=120, check=True).stdout
    found, errors = json.loads(html.unescape(out.rsplit('<pre>', 1)[1].split('</pre>')[0]))
    assert not errors
    return found


@pytest.fixture
def A():
    A = np.triu(np.random.default_rng(0).random((5, 5)))
    return A/np.linalg.norm(A)


def test_sliders_show_the_numbers_of_python(tmp_path, A):
    names = ['<b>', 'a & b', '"c"', "d's", 'e']
    graph, patches = draw_graph(A, np.random.default_rng(1).random((5, 2)), names), draw_patches((1, 5))
    figures = [walk_figure(A, d, RHOS, HOPS, at=(.9, 1)) for d in (graph, patches)]
    found = drive(tmp_path, figures, """
        const before = figures[1].querySelector('figcaption').textContent, out = [];
        for (const [r, t] of [[0, 0], [1, 2], [2, 3]]) {
          const [a, b] = all(figures[0], 'input'); put(a, r); put(b, t);
          out.push([figures[0].querySelector('figcaption').textContent, a.getAttribute('aria-valuetext'),
            b.getAttribute('aria-valuetext'), all(figures[0], 'circle').map(c => +c.getAttribute('r'))]); }
        return [out, before == figures[1].querySelector('figcaption').textContent];""")
    settings, other_untouched = found
    assert other_untouched
    for (r, t), (said, rho, hops, radii) in zip([(0, 0), (1, 2), (2, 3)], settings):
        kept = HOPS[t] if HOPS[t] < math.inf else 400
        c = sum((np.linalg.matrix_power(RHOS[r]*A, k).sum(1) for k in range(1, kept + 1)))
        assert (rho, hops) == (str(RHOS[r]), 'all' if t == 3 else str(HOPS[t]))
        assert f'; {names[c.argmax()]} leads' in said and said.startswith(f'ρ = {RHOS[r]}, {hops} hop')
        # one of 64 levels
        np.testing.assert_allclose(radii, 5.5*(.2 + .8*np.sqrt(np.rint(63*c/c.max())/63)), atol=.006)


def test_a_race_shows_the_rows_that_are_on(tmp_path):
    ran = [dict(row=r, tokens=n, status='ok', seconds=s*n/1e4, peak_bytes=b*n*2**10)
           for r, s, b in (('linear', 1, 3), ('pure', 4, 2), ('mine', 2, 5), ('yours', 3, 7)) for n in (100, 1000)]
    rows = [r for r in ran if (r['row'], r['tokens']) != ('mine', 1000)]
    rows.append(dict(row='mine', tokens=1000, status='skipped: <why>'))
    found = drive(tmp_path, [race_figure(rows, tokens=100)]*2, """
        const f = figures[1], says = () => f.querySelector('.says').textContent, out = [says()];
        const one = all(f, '.one'), tokens = f.querySelector('[type=range]'), whole = f.querySelector('.whole');
        const click = e => { e.click(); out.push([says(), all(f, '.row').map(shown)]); };
        put(tokens, 1); out.push([says(), all(f, '.value').map(e => e.textContent)]);
        click(one[0]); out.push(whole.indeterminate); click(whole); click(whole); click(one[2]);
        put(f.querySelector('select'), 1); out.push([says(), all(f, '.measure').map(shown)]);
        out.push(figures[0].querySelector('.says').textContent); return out;""")
    time = {r['row']: said_seconds(r['seconds']) for r in rows if r['tokens'] == 1000 and r['status'] == 'ok'}
    at = '1,000 tokens, time of a pass: '
    first, all_on, no_linear, mixed, on_again, off, two, use, other = found
    assert first == other == '100 tokens, time of a pass: linear 10 ms, mine 20 ms, yours 30 ms and 1 more'
    assert all_on == [f'{at}linear {time["linear"]}, yours {time["yours"]}, pure {time["pure"]}; 1 without a value',
                      [time['linear'], time['pure'], 'skipped: <why>', time['yours']]]
    # rows of both charts
    assert no_linear == [f'{at}yours {time["yours"]}, pure {time["pure"]}; 1 without a value', [False, True, True, True]*2]
    assert mixed and on_again[1] == [True]*8 and off == [f'{at}no row', [False]*8]
    assert two == [f'{at}no row; 1 without a value', [False, False, True, False]*2]
    assert use == ['1,000 tokens, peak memory of a pass: no row; 1 without a value', [False, True]]
