"The picture that goes with a link to the site: `python tools/card.py FILE.png`."
import sys

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_sample_image

from infsa import frobenius_normalize, resolvent, token_graph

WIDTH, HEIGHT, SIDE, TOP = 1200, 630, 184, 220  # pixels; of the pictures: their side and place
RHO = 0.95


def walks(photo):
    "Centrality of 8 x 8 patches after one, two and three hops, and after all of them."
    x = photo.view(8, 52, 8, 52, 3).transpose(1, 2).reshape(64, -1).double()
    x = x - x.mean(0)
    a = frobenius_normalize(token_graph(x, x))
    hops = [torch.ones(64).double()]
    for _ in range(3): hops.append(RHO*a @ hops[-1])
    return [w.view(8, 8) for w in (*hops[1:], resolvent(a, RHO).sum(-1))]


def card():
    "A figure of 1200 x 630 pixels: the name, what it is, and the sum of all hops."
    fig = Figure(figsize=(WIDTH/100, HEIGHT/100), dpi=100, facecolor='#14202b')
    say = lambda x, y, words, **style: fig.text(x/WIDTH, 1 - y/HEIGHT, words, color='w', **style)
    photo = torch.tensor(load_sample_image('flower.jpg')[:416, 100:516])/255
    *hops, central = walks(photo)
    words = '64 patches', '1 hop', '2 hops', '3 hops', 'all hops'
    gap = (WIDTH - 5*SIDE)//6
    say(gap, 100, 'Infinite Self-Attention', size=44, weight='bold')
    question = 'What do the tokens look at that a token looks at, and so on without end?'
    say(gap, 158, question, size=19)
    for i, picture in enumerate([photo, *hops, central]):
        left = gap + i*(SIDE + gap)
        ax = fig.add_axes((left/WIDTH, 1 - (TOP + SIDE)/HEIGHT, SIDE/WIDTH, SIDE/HEIGHT))
        ax.set_axis_off()
        most = None if i in (0, 4) else hops[0].max()
        ax.imshow(picture, 'magma', vmin=0, vmax=most)
        for edge in range(52, 416, 52) if i == 0 else ():
            ax.axhline(edge, color='w', lw=0.6)
            ax.axvline(edge, color='w', lw=0.6)
        say(left + SIDE/2, TOP + SIDE + 36, words[i], size=18, ha='center')
        sign = ('', '→', '+', '+', '…=')[i]
        say(left - gap/2, TOP + SIDE/2, sign, size=17, ha='center', va='center')
    say(gap, HEIGHT - 60, 'infsa', size=30, weight='bold')
    say(gap + 130, HEIGHT - 60, 'exact operators, vision transformers, and the notebooks that '
        'derive them', size=19)
    return fig


if __name__ == '__main__':
    if len(sys.argv) != 2: sys.exit(__doc__)
    card().savefig(sys.argv[1])
