"Which image files the commands read, and what they say of those they do not: as processes."
import json, struct, zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from processes import finish, refused, start

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


def command(name, *args, **options): return finish(start(name, *args, **options))


def stream(file, cwd, **kwargs):
    return command('infsa_stream', '--image', file, '--model', 'infvit_mini_linear', '--threads', 1, cwd=cwd, **kwargs)


def write(file, a=PIXELS, **kwargs):
    tifffile.imwrite(file, a, photometric=kwargs.pop('photometric', 'rgb'), **kwargs)


def png_header(file, width, height):
    "A PNG of so many grey pixels of which none is there."
    def chunk(name, data): return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
    head = struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0)
    file.write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', b''))


def test_a_slide_is_streamed_like_its_png_twin(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path/'twin.png')
    write(tmp_path/'lzw.tif', compression='lzw', predictor=True)
    write(tmp_path/'slide.svs', np.dstack([PIXELS, PIXELS[..., :1]]), tile=(32, 32), compression='lzw', extrasamples=['unassalpha'])
    said = [stream(f, tmp_path) for f in ('twin.png', 'lzw.tif', 'slide.svs')]
    for r in said: assert r.returncode == 0 and r.stderr == '', r.stderr
    found = [json.loads(r.stdout) for r in said]
    assert [o['size'] for o in found] == [[64, 96]]*3 and len({o['top'] for o in found}) == 1 and found[0]['finite']


@pytest.mark.parametrize('package, word', [('imagecodecs', 'imagecodecs'), ('tifffile', 'tifffile and zarr')])
def test_a_missing_package_is_named(package, word, tmp_path):
    write(tmp_path/'a.tif', compression='lzw')
    refused(stream('a.tif', tmp_path, before=f'import sys; sys.modules[{package!r}] = None; '), 'a.tif', word, "pip install 'infsa-notebooks[stream]'")


@pytest.mark.parametrize('kind, words', [
    (dict(photometric='cielab'), ['CIELAB']),
    (dict(photometric='ycbcr'), ['YCBCR']),
    (dict(a=PIXELS[..., 0]/np.float32(255), photometric='minisblack'), ['float32', 'from 0 to 1', 'which is white']),
])
def test_numbers_that_are_no_rgb_are_refused(kind, words, tmp_path):
    write(tmp_path/'odd.tif', **kind)
    refused(stream('odd.tif', tmp_path), 'odd.tif', *words)


def test_a_picture_too_large_to_decode_says_what_to_do(tmp_path):
    png_header(tmp_path/'big.png', 13440, 13440)
    refused(stream('big.png', tmp_path), 'big.png', 'tiled TIFF', '.npy', 'MAX_IMAGE_PIXELS')
    result = command('infsa_explain', 'big.png', '--model', 'infvit_mini_linear', '--out', 'o', cwd=tmp_path)
    refused(result, 'big.png', 'tiled TIFF')
    assert not (tmp_path/'o').exists()


def test_floats_are_not_explained(tmp_path):
    Image.fromarray(PIXELS[..., 0]/np.float32(255)).save(tmp_path/'f01.tif')
    refused(command('infsa_explain', 'f01.tif', '--model', 'infvit_mini_linear', '--out', 'o', cwd=tmp_path), 'f01.tif', 'mode F', 'from 0 to 1')


def test_evaluation_counts_all_images_and_says_what_it_left_out(tmp_path):
    for i, suffix in enumerate('png PNG jpg JPG tif tiff ppm gif bmp webp pgm'.split()):
        for folder in ('train/cat', 'train/dog', 'val/cat', 'val/dog/nested'):
            (tmp_path/'data'/folder).mkdir(parents=True, exist_ok=True)
            im = Image.fromarray(PIXELS[:40, i:i+40])
            (im.convert('L') if suffix == 'pgm' else im).save(tmp_path/'data'/folder/f'{i}.{suffix}')
    result = command('infsa_eval', '--model', 'infvit_mini_linear', '--data', 'data', '--out', 'e', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert 'left out: 4 .gif; read are .jpg' in result.stderr and len(result.stderr.splitlines()) == 1, result.stderr
    assert json.loads((tmp_path/'e'/'results.json').read_text())['accuracy'][0]['images'] == 20
