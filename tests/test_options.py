"Options of InfViT in parts of the package that stand on later pages: maps leave registers out and see normalised queries; averages count steps."
import io
from contextlib import redirect_stdout
from dataclasses import replace

import pytest, torch
from infsa.data.mini import mini_imagenet
from infsa.maps.model import attention_maps, map_names
from infsa.models.vit import create_model
from infsa.training.recipe import RECIPES
from infsa.training.run import train
from infsa.training.speed import Speed
from fastai.callback.core import Callback

OPTIONS = dict(reg_tokens=3, qk_norm=True, init_values=0.5)


class Noted(Callback):
    def __init__(self, seen): self.seen = seen
    def after_fit(self):
        average = self.learn.average_weights.average
        self.seen.append((average.n_averaged.item(), average.module.head.weight.clone()))


@pytest.mark.parametrize('variant, kind', [('softmax', 'received'), ('pure', 'received'), ('linear', 'weights')])
def test_maps_of_a_model_with_registers_are_its_token_weights(variant, kind):
    torch.manual_seed(0)
    net = create_model(f'infvit_mini_{variant}', **OPTIONS).double().eval()
    images = torch.randn(2, 3, 32, 48, dtype=torch.float64)
    ours = net.token_weights(images)
    maps = attention_maps(net, images, kind, fuse=False)
    assert maps.shape == ours.shape == (2, 4, 4, 8, 12)
    torch.testing.assert_close(maps/maps.sum((-2, -1), keepdim=True), ours/ours.sum((-2, -1), keepdim=True), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('variant', ['softmax', 'pure', 'linear', 'multihop', 'kernel'])
def test_every_map_leaves_registers_out(variant):
    net = create_model(f'infvit_mini_{variant}', **OPTIONS)
    for kind in map_names(net):
        assert attention_maps(net, torch.randn(1, 3, 32, 32), kind).shape == (1, 4, 8, 8)


def test_batches_that_share_a_step_count_once_in_the_average(tmp_path):
    mini = mini_imagenet(tmp_path, n_train=128, n_valid=40, progress=False)
    seen = []
    for accumulate in (1, 4):
        recipe = replace(RECIPES['mini'], epochs=2, warmup=1, bs=32, average=0.9)
        with redirect_stdout(io.StringIO()):
            train(mini, recipe=recipe, out=tmp_path/str(accumulate), progress=False, device='cpu', cbs=[Noted(seen)], speed=Speed(accumulate=accumulate))
    assert [n for n, _ in seen] == [8, 8]
    # rounding of the split sums, grown by eight steps of Adam
    torch.testing.assert_close(seen[0][1], seen[1][1], rtol=0, atol=1e-3)
