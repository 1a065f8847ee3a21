"The commands `infsa_eval` and `infsa_explain` as a user meets them: processes with arguments, exit codes and files."
import csv, json, shutil
from pathlib import Path

import pytest

from processes import finish, refused, run, run_each, start

WEIGHTS = Path(__file__).parents[1]/'nbs/results/infvit_mini_linear.safetensors'


@pytest.fixture
def mini(made): return made(20, 40)


@pytest.fixture
def tree(mini, tmp_path):
    "A copy of the data that a test may spoil: its folder, its val images in order, and the box file of each."
    top = tmp_path/'tree'
    shutil.copytree(mini, top)
    images = sorted((top/'ILSVRC/Data/CLS-LOC/val').iterdir())
    return top, images, [top/'ILSVRC/Annotations/CLS-LOC/val'/f'{f.stem}.xml' for f in images]


@pytest.fixture
def v2(mini, tmp_path):
    "The three sets of ImageNet-V2 in small: ten classes, two images each."
    images = sorted((mini/'ILSVRC/Data/CLS-LOC/train').rglob('*.JPEG'))
    for name in ('matched-frequency', 'threshold0.7', 'top-images'):
        for f in images:
            to = tmp_path/'v2'/f'imagenetv2-{name}-format-val'/str(int(f.parent.name[1:]))/f'{f.stem}.jpeg'
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(f, to)
    return tmp_path/'v2'


@pytest.mark.parametrize('command', ['infsa_eval', 'infsa_explain'])
def test_help_shows_examples(command, tmp_path):
    result = run(command, '--help', cwd=tmp_path)
    assert result.returncode == 0 and 'examples:' in result.stdout and 'exit codes' in result.stdout and result.stderr == ''


def test_eval_leaves_tables_pictures_and_a_report(tmp_path, mini, v2):
    result = run('infsa_eval', '--weights', WEIGHTS, '--data', mini, '--v2', v2, '--boxes', '--curves', '--images', 12, '--steps', 4, '--out', 'out', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().endswith('are in out') and '\r' not in result.stdout
    found = json.loads((tmp_path/'out/results.json').read_text())
    assert [r['set'] for r in found['accuracy']] == ['val', 'v2-matched-frequency', 'v2-threshold0.7', 'v2-top-images']
    assert found['accuracy'][0]['top1']['mean'] > 0.8 and found['finished'] and found['environment']['torch']
    assert {s['map'] for s in found['maps'][0]['scores']} == {'weights', 'rollout', 'random', 'brightness', 'centre'}
    classes = list(csv.DictReader(open(next((tmp_path/'out').glob('classes-*-val.csv')))))
    assert len(classes) == 10 and sum(int(r['images']) for r in classes) == 40
    report = (tmp_path/'out/report.html').read_text()
    assert report.count('<img') == 4*3 + 2 and 'http' not in report.split('<main>')[1].replace('http://www.w3.org', '')
    refused(run('infsa_eval', '--weights', WEIGHTS, '--data', mini, '--out', 'out', cwd=tmp_path), '--force')


def test_weights_of_another_model_name_what_differs(tmp_path, mini):
    import torch
    from infsa.models.weights import load_model
    torch.save(load_model(WEIGHTS).state_dict(), tmp_path/'linear.pth')
    of_file, of_name = run_each('infsa_eval', [['--model', f'infvit_mini_softmax={tmp_path}/linear.pth', '--data', mini],
                                               ['--model', 'infvit_mini_pure', '--weights', WEIGHTS, '--data', mini]], tmp_path)
    refused(of_file, 'linear.pth', 'rho')
    refused(of_name, 'infvit_mini_pure', 'infvit_mini_linear')
    assert not (tmp_path/'runs').exists()


def test_fewer_classes_than_the_model_and_unknown_ones(tmp_path, tree):
    top, images, notes = tree
    (top/'LOC_val_solution.csv').unlink()  # labels then come from the boxes
    for f, xml in zip(images, notes):
        if any(f'n0000000{d}' in xml.read_text() for d in range(5, 10)): f.unlink()
    for d in range(5, 10): shutil.rmtree(top/f'ILSVRC/Data/CLS-LOC/train/n0000000{d}')
    result = run('infsa_eval', '--weights', WEIGHTS, '--data', top, '--out', 'five', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    classes = list(csv.DictReader(open(tmp_path/'five/classes-infvit_mini_linear-val.csv')))
    assert [int(r['images']) > 0 for r in classes] == [True]*5 + [False]*5
    (top/'ILSVRC/Data/CLS-LOC/train/n00000000').rename(top/'ILSVRC/Data/CLS-LOC/train/n99999999')
    for xml in notes: xml.write_text(xml.read_text().replace('n00000000', 'n99999999'))
    refused(run('infsa_eval', '--weights', WEIGHTS, '--data', top, cwd=tmp_path), 'n99999999')


def test_images_of_every_kind_count_the_same(tmp_path, tree):
    "CMYK, PNG in the clothes of a JPEG, 16 bits, grey: read, and none is lost."
    from PIL import Image
    import numpy as np
    top, images, _ = tree
    rgb = [Image.open(f).convert('RGB') for f in images[:4]]
    rgb[0].convert('CMYK').save(images[0], 'JPEG', quality=95)
    rgb[1].save(images[1], 'PNG')
    Image.fromarray(np.asarray(rgb[2].convert('L')).astype(np.uint16)*257).save(images[2], 'PNG')
    rgb[3].convert('L').save(images[3], 'JPEG', quality=95)
    result = run('infsa_eval', '--weights', WEIGHTS, '--data', top, '--boxes', '--images', 0, '--out', 'out', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path/'out/results.json').read_text())
    assert found['accuracy'][0]['images'] == found['maps'][0]['images'] == 40 and found['accuracy'][0]['top1']['mean'] > 0.8


def test_oddities_of_boxes_are_counted(tmp_path, tree):
    top, images, notes = tree
    texts = [n.read_text() for n in notes]
    def box(text, **corners):
        import re
        for k, v in corners.items(): text = re.sub(f'<{k}>.*?</{k}>', f'<{k}>{v}</{k}>', text)
        return text
    notes[0].write_text(box(texts[0], xmax=90))  # outside the image
    notes[1].unlink()  # no XML
    one = texts[2][texts[2].index('\t<object>'):texts[2].index('</annotation>')]
    notes[2].write_text(texts[2].replace('</annotation>', box(one, xmin=0, ymin=0, xmax=3, ymax=3) + '</annotation>'))  # several objects
    notes[3].write_text(box(texts[3], width=64, height=64, xmin=0, ymin=0, xmax=40, ymax=40))  # another size than the file's
    notes[4].write_text(box(texts[4], width=64))  # another shape
    (tmp_path/'poor.txt').write_text('6\n')
    result = run('infsa_eval', '--weights', WEIGHTS, '--data', top, '--boxes', '--images', 0, '--blacklist', 'poor.txt', '--out', 'out', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    cases = json.loads((tmp_path/'out/results.json').read_text())['maps'][0]['cases']
    assert {k: n for k, n in cases.items() if n} == dict(no_xml=1, several=1, size_mismatch=2, aspect_mismatch=1, boxes_outside=1, blacklisted=1), cases
    assert 'without the list of poor boxes' in (tmp_path/'out/report.html').read_text().lower()


def test_v2_of_the_older_release(tmp_path, mini, v2):
    for d in range(10): (v2/'imagenetv2-top-images-format-val'/str(d)).rename(v2/f'imagenetv2-top-images-format-val/n0000000{d}')
    result, wrong = run_each('infsa_eval', [['--weights', WEIGHTS, '--data', mini, '--v2', v2, '--out', 'out'], ['--weights', WEIGHTS, '--data', mini, '--v2', mini]], tmp_path)
    assert result.returncode == 0, result.stderr  # the model knows its wnids
    rows = {r['set']: r['top1']['mean'] for r in json.loads((tmp_path/'out/results.json').read_text())['accuracy']}
    assert rows['v2-top-images'] == rows['v2-matched-frequency']
    refused(wrong, 'ImageNet-V2')


def test_peers_stand_in_the_same_table(tmp_path, mini):
    pytest.importorskip('timm')
    result = run('infsa_eval', '--weights', WEIGHTS, '--model', 'timm:vit_tiny_patch16_224=', '--img-size', 32, '--data', mini, '--boxes', '--images', 8, '--out', 'out', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path/'out/results.json').read_text())
    assert [r['model'] for r in found['accuracy']] == ['infvit_mini_linear', 'timm:vit_tiny_patch16_224 (random weights)']
    assert {'class_token', 'received', 'rollout'} <= {s['map'] for s in found['maps'][1]['scores']}


def test_home_after_the_model_and_classes_of_one_name(tmp_path, tree):
    import torch
    from infsa.models.weights import load_model
    top, _, _ = tree
    (tmp_path/'home').mkdir()
    torch.save({f'net.{k}': v for k, v in load_model(WEIGHTS).state_dict().items()}, tmp_path/'home/linear.pth')
    wnids = [f'n0000000{d}' for d in range(10)]
    (top/'LOC_synset_mapping.txt').write_text('\n'.join(f'{w} crane' for w in wnids))
    result = run('infsa_eval', '--model', 'infvit_mini_linear=~/linear.pth', '--data', top, '--out', 'out', cwd=tmp_path, HOME=str(tmp_path/'home'))
    assert result.returncode == 0, result.stderr
    names = {f'crane ({w})' for w in wnids}
    assert json.loads((tmp_path/'out/results.json').read_text())['accuracy'][0]['top1']['mean'] > 0.8
    tables = {t: list(csv.DictReader(open(next((tmp_path/'out').glob(f'{t}-*.csv'))))) for t in ('classes', 'confusions')}
    assert [(r['id'], r['name']) for r in tables['classes']] == [(str(i), f'crane ({w})') for i, w in enumerate(wnids)]
    assert tables['confusions'] and {r[k] for r in tables['confusions'] for k in ('true', 'predicted')} <= names
    assert tables['confusions'][0]['true'] in (tmp_path/'out/report.html').read_text()


def test_ctrl_c_keeps_the_rows_that_were_done(tmp_path, mini):
    press = 'import os, signal, infsa.evaluation.evaluate as e; look = e._look; e._look = lambda *args: (os.kill(os.getpid(), signal.SIGINT), look(*args)); '  # after the first row
    result = finish(start('infsa_eval', '--weights', WEIGHTS, '--model', 'infvit_mini_pure=', '--data', mini, '--boxes', '--images', 0, '--out', 'out', cwd=tmp_path, before=press))
    assert result.returncode == 130 and 'Traceback' not in result.stderr, result.stderr
    kept = json.loads((tmp_path/'out/interrupted.json').read_text())
    assert not kept['finished'] and [r['set'] for r in kept['accuracy']] == ['val'] and 'interrupted' in result.stdout
    assert not (tmp_path/'out/results.json').exists()


def test_explain_leaves_pictures_a_table_and_a_page(tmp_path, mini):
    images = sorted((mini/'ILSVRC/Data/CLS-LOC/val').iterdir())[:2]
    result = run('infsa_explain', *images, '--weights', WEIGHTS, '--heads', '--out', 'out', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().endswith('are in out') and len(list((tmp_path/'out').glob('*.png'))) == 4
    rows = list(csv.DictReader(open(tmp_path/'out/predictions.csv')))
    assert len(rows) == 10 and abs(sum(float(r['probability']) for r in rows[:5]) - 1) < 0.3
    page = (tmp_path/'out/explain.html').read_text()
    assert page.count('<img') == 4 and 'src="data:' in page and 'src="out' not in page
    refused(run('infsa_explain', *images, '--weights', WEIGHTS, '--out', 'out', cwd=tmp_path), '--force')


def test_explain_refuses_in_one_line(tmp_path, mini):
    image = next((mini/'ILSVRC/Data/CLS-LOC/val').iterdir())
    mistakes = [
        (['none.jpg', '--weights', WEIGHTS], ['none.jpg']),
        ([image], ['--weights FILE', 'infsa_train']),
        ([image, '--weights', WEIGHTS, '--kind', 'received'], ['received', 'weights']),
        ([image, '--weights', WEIGHTS, '--layers', '5'], ['1 to 4']),
        ([image, '--weights', WEIGHTS, '--model', 'infvit_mini_pure'], ['infvit_mini_linear', 'infvit_mini_pure']),
    ]
    for result, (_, words) in zip(run_each('infsa_explain', [args for args, _ in mistakes], tmp_path), mistakes): refused(result, *words)
    assert not (tmp_path/'runs').exists()


def test_explain_answers_without_maps_where_tokens_are_no_grid(tmp_path, mini):
    pytest.importorskip('timm')
    image = next((mini/'ILSVRC/Data/CLS-LOC/val').iterdir())
    result = run('infsa_explain', image, '--model', 'timm:pit_ti_224', '--out', 'out', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr.splitlines() == ['infsa_explain: note: predictions only, no maps: model: 730 tokens are no 14 x 14 patches and 1 before them']
    assert len(list(csv.DictReader(open(tmp_path/'out/predictions.csv')))) == 5


def test_explain_refuses_logits_that_are_not_finite(tmp_path, mini):
    import torch
    from infsa.models.weights import load_model
    state = load_model(WEIGHTS).state_dict()
    state['blocks.1.attn.in_proj_weight'][0, 0] = torch.nan
    torch.save(state, tmp_path/'nan.pth')
    image = next((mini/'ILSVRC/Data/CLS-LOC/val').iterdir())
    refused(run('infsa_explain', image, '--model', 'infvit_mini_linear', '--weights', 'nan.pth', cwd=tmp_path), f'logits must be finite, those of image {image} are not')
    assert not (tmp_path/'runs').exists()
