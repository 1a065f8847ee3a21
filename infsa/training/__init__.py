"Recipes, runs and studies by fastai."
from infsa.command import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    recipe='RECIPES NO_DECAY Recipe param_groups adamw warmup_cosine NonFiniteLoss StopOnNonFinite '
           'StopOnInterrupt Timing BarText StepLines LossOnDevice Progress deit_lr make_learner fit '
           'ResumableLearner whole_step',
    checkpoint='HEEDED Checkpoint History NotWritten StepSeeds checkpoints keep_checkpoints '
               'last_checkpoint read_checkpoint unwrapped write_checkpoint',
    reach='RIVALS task_model train_on_task hops_reached task_study',
    run='plot_curves resume train',
    speed='PRECISIONS SPEED_HELP Speed Precision speed_up acting rehearse',
    study='write_rows')
