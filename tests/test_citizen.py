"InfViT among other people's tools: what a page cannot hold, since it needs a fresh Python or a room above the models."
import ast, subprocess, sys

import pytest

timm = pytest.importorskip('timm')
from timm.optim import param_groups_layer_decay

import infsa.models.timm
from infsa.data.loaders import IMAGENET_MEAN, IMAGENET_STD
from infsa.models.vit import list_models
from infsa.training.optimise import lr_scales, param_groups


def said(code):
    "What `code` prints last in a fresh Python, as a value."
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    return ast.literal_eval(out.stdout)


def test_one_import_registers_and_hides_nothing():
    "`infsa` loads no other library; our room called timm stands beside the real one."
    code = ('import infsa, sys; heavy = [m for m in ("timm", "transformers", "huggingface_hub", "fastai") if m in sys.modules]; '
            'import warnings; warnings.simplefilter("error"); import infsa.models.timm; import timm; from infsa.models import timm as ours; '
            'print([heavy, timm.__file__ != ours.__file__, len(timm.list_models("infvit_*")), timm.list_models(module="timm"), '
            'all(hasattr(ours, n) for n in ours.__all__)])')
    heavy, differ, n, listed, there = said(code)
    assert heavy == [] and differ and there and n == len(list_models()) and set(listed) == set(list_models())


@pytest.mark.parametrize('options', [{}, dict(reg_tokens=2, init_values=0.1, qk_norm=True)])
def test_rates_and_decay_are_those_of_our_own_recipe(options):
    model = timm.create_model('infvit_mini_pure', **options)
    theirs = {id(p): (g['lr_scale'], g['weight_decay'])
              for g in param_groups_layer_decay(model, 0.05, model.no_weight_decay(), layer_decay=0.75) for p in g['params']}
    ours = {id(p): (scale, (0.05, 0.)[i % 2])
            for i, (scale, group) in enumerate(zip(lr_scales(model, 0.75), param_groups(model, by_layer=True), strict=True)) for p in group}
    assert theirs == ours


def test_images_are_normalised_alike():
    card = timm.create_model('infvit_mini_linear').default_cfg
    assert (card['mean'], card['std']) == (IMAGENET_MEAN, IMAGENET_STD)
    assert all(timm.get_pretrained_cfg(n).crop_pct == (1. if '_mini_' in n else 0.875) for n in list_models())
