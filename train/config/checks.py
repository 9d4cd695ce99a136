"""What can be wrong with options before any data is seen."""

from typing import Any

from stylegrow.common.errors import InputError
from stylegrow.metrics.table import DECIDING, check_names, names_in
from train.config.fields import as_given, check_value, flag
from train.config.options import ABOUT, KINDS, Options
from train.config.presets import preset
from train.step.config import WITHOUT_SIGN


def checked(options: Options, architecture: str) -> Options:
    """The options with paths from the root. InputError that names the first one that cannot be as it is given."""
    # When a run is resumed, only that run knows its objective.
    loss = preset(architecture, options.preset or "small").under(options).loss
    knows_loss = options.resume is None or "loss" in options.given
    for name, value in options.given.items():
        about = ABOUT[name]
        check_value(name, value, KINDS[name], about)
        if not about.belongs_to(architecture):
            scripts = " and ".join(f"train/{one}.py" for one in about.only)
            raise InputError(f"{flag(name)}: belongs to {scripts}; leave it out")
        if about.loss not in (None, loss) and knows_loss and value != getattr(Options, name):
            raise InputError(f"{as_given(name, value)}: belongs to --loss {about.loss}, not to {loss}; leave it out")
    check_augmentation(options, loss)
    if options.processes is not None and not options.dry_run:
        raise InputError(
            f"--processes {options.processes}: is for --dry-run; add that, or start them with "
            f"torchrun --nproc-per-node {options.processes}"
        )
    metric_names(options)
    given: dict[str, Any] = {"out": options.out} | options.given
    return options.but(**{name: ABOUT[name].keep(v) if isinstance(v, str) else v for name, v in given.items()})


def check_augmentation(options: Options, loss: str) -> None:
    """InputError for a probability of nothing, or one that is to follow scores whose sign says nothing."""
    if options.augment_p == Options.augment_p or options.resume is not None:  # only that run knows the others
        return
    what = as_given("augment_p", options.augment_p)
    if options.augment == "no":
        raise InputError(f"{what}: there is nothing to augment; add --augment, or leave it out")
    if options.augment_p == "ada" and loss in WITHOUT_SIGN:
        raise InputError(
            f"{what}: follows the sign of the critic's scores, which says nothing with --loss {loss}; give a number "
            "from 0 to 1, or another --loss"
        )


def metric_names(options: Options) -> tuple[str, ...]:
    """The metrics to evaluate while training, each once. InputError for a choice that cannot be."""
    if options.metrics == "none":
        for name in ("metrics_kimg", "metrics_samples"):
            # A run that is resumed may have metrics of its own.
            if name in options.given and options.resume is None:
                raise InputError(f"{flag(name)}: there is nothing to evaluate; name --metrics, or leave it out")
        return ()
    names = names_in(options.metrics)
    if "fid" in names:
        raise InputError("--metrics fid: is by Inception's features, training evaluates the embedded; ask for fd")
    chosen = check_names(names, inception=False)
    if chosen[0] not in DECIDING:
        raise InputError(
            f"--metrics {options.metrics}: the first decides on best/, and {chosen[0]} cannot; "
            f"name one of {', '.join(DECIDING)} first"
        )
    return chosen
