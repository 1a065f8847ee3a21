"Recipes, runs and studies by fastai."
from infsa.command import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    average='AverageWeights AverageAccuracy',
    checkpoint='HEEDED Checkpoint NotWritten StepSeeds alone_in checkpoints is_sharded '
               'keep_checkpoints check_keeping last_checkpoint read_checkpoint regrouped unwrapped '
               'whole whole_model write_checkpoint',
    distributed='LostProcess Together agreed launched shared together world',
    logs='LOGS check_logs log_callbacks',
    optimise='NO_DECAY OPTIMIZERS param_groups adamw lamb lr_scales warmup_cosine',
    planning='kept_bytes ring_bytes plan_run',
    recipe='LOSSES RECIPES RECIPE_HELP Recipe BinaryCrossEntropy CrossEntropy LossAsTrained '
           'PlainValidation NonFiniteLoss StopOnNonFinite StopOnInterrupt PairedGroups '
           'setting_help deit_lr learning_rate whole_step ResumableLearner make_learner fit',
    reach='RIVALS task_model train_on_task hops_reached task_study',
    run='plot_curves resume train',
    seen='CLOCK BarText GradientNorm History LossOnDevice Progress StepLines Timing peak_bytes rank '
         'read_history',
    speed='PRECISIONS SPEED_HELP Speed Precision speed_up acting rehearse',
    study='write_rows')
