"Folders, loaders and the data that are always there."
from infsa.command import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    archives='tar_members Kit read_kit Found TRAIN_TAR VAL_TAR read_tars Row read_tables read_shards',
    augment='AUGMENTATIONS train_transform repeat_views MixImages',
    batches='ImageLoader own_draws seed_all',
    check='FINDINGS DataCheck check_data FORMATS write_data',
    files='Member Items as_items view_image read_image mean_bytes try_read map_files',
    folders='Layout find_layout counts read_boxes verify',
    imagenet_v2='V2_VARIANTS find_v2',
    loaders='eval_transform imagenet_dls show_batch',
    mazes='Task Mazes Maze',
    mini='MINI_WNIDS MINI_NAMES data_root mini_imagenet digit_of',
    pixels='read_pixels open_image',
    randaugment='MEAN_COLOUR OPERATIONS SIGNED RandAugment ThreeAugment',
    shown='IMAGENET_MEAN IMAGENET_STD ImageDataset PictureLoader PictureLoaders denormalize normalize',
    tasks='TASKS Chains Recall Counting create_task task_dls')
