"Folders, loaders and the data that are always there."
from infsa.command import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    augment='AUGMENTATIONS train_transform repeat_views MixImages',
    batches='ImageLoader own_draws seed_all',
    folders='Layout find_layout counts read_boxes read_image mean_bytes try_read map_files verify',
    imagenet_v2='V2_VARIANTS find_v2',
    loaders='IMAGENET_MEAN IMAGENET_STD ImageDataset normalize eval_transform imagenet_dls '
            'show_batch',
    mazes='Task Mazes Maze',
    mini='MINI_WNIDS MINI_NAMES data_root mini_imagenet digit_of',
    pixels='read_pixels open_image',
    randaugment='MEAN_COLOUR OPERATIONS SIGNED RandAugment ThreeAugment',
    tasks='TASKS Chains Recall Counting create_task task_dls')
