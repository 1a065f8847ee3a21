"The mini data of the tests, made once for all of them."
import os
from pathlib import Path

import pytest


@pytest.fixture(scope='session')
def made(tmp_path_factory):
    "Gives the folder of the mini data with so many images, for reading. INFSA_TEST_DATA: where test processes share it."
    root = Path(os.environ.get('INFSA_TEST_DATA') or tmp_path_factory.mktemp('data'))
    def folder(n_train, n_valid):
        if not (there := root/f'mini_imagenet_{n_train}_{n_valid}_0').exists():  # it appears all at once
            from infsa.data.loaders import mini_imagenet
            assert mini_imagenet(root, n_train=n_train, n_valid=n_valid, progress=False) == there
        return there
    return folder
