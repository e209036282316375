"""The study: what weight sharing and the auxiliary loss are worth, arm by arm, seed by seed.

Parts: NETWORK-pilot (every learning rate, on validation pairs and three seeds of its own),
NETWORK-finalists (the best two of each arm on seven more), NETWORK (every arm at every aux weight)
and AuxNet2-train_pairs; AuxNet2-heads and its pilots (what compares without parameters). The others
take their learning rates from both kinds of pilots in runs/study; NETWORK:DIR takes them from
another workdir of launch/study.py. All ten pilot seeds with every rate would be 2,520 pilot runs
more instead of 1,008, for rates that three seeds have already placed third or below.

command: python launch/study.py runs every part and writes docs/study.md; one part alone:
         python launch/main.py --config=configs/study.py:AuxNet2-pilot
                --workdir=runs/study/AuxNet2-pilot
cost:   4,848 runs: 270 a pilot (DeepModel 180, heads 90), 252 with finalists (168 and 84), then
        AuxNet2 900, 600 over train pairs and 300 with heads, AuxNet1 and AuxNet3 360 each,
        DeepModel 240. 94 minutes on 2 cores that had other work.
result: docs/study.md. Ten pilot seeds pick another rate than the first three for 20 of 72 arms.
"""

from pairjax.studies.factorial.design import Design, Network
from pairjax.studies.factorial.parts import part_config

# Cut widths are the common factor on all widths with which two separate branches come nearest to
# the shared network's parameters.
AUXNET2 = Network('AuxNet2', (32, 32, 64, 256), cut_widths=(26, 26, 51, 206), num_seeds=50)
DEEP_MODEL = Network(
    'DeepModel',
    (100,),
    cut_widths=None,
    why_not_cut='its convolutions are fixed, and two encoders alone have 1.4 times the '
    'parameters of the whole shared network',
    num_seeds=20,
    settings=(
        ('data.standardize', False),
        ('model.dropout_rate', 0.0),
        ('train.batch_size', 10),
    ),
)

DESIGN = Design(
    networks=(
        AUXNET2._replace(
            train_pairs=(100, 250, 500),
            heads=(('argmax', 0.0), ('probability', 0.0), ('probability', 1.0)),
        ),
        Network('AuxNet1', (32, 32, 64, 512), cut_widths=(23, 23, 45, 364), num_seeds=20),
        Network('AuxNet3', (16, 32, 64, 128), cut_widths=(13, 25, 51, 101), num_seeds=20),
        DEEP_MODEL,
    ),
    aux_weights=(0.0, 0.25, 0.5, 1.0, 2.0, 4.0),
    named_weight=2.0,
    learning_rates=(5e-4, 1e-3, 2e-3, 5e-3, 1e-2),
    first_pilot_seed=1000,
    num_first_looks=3,
    num_finalists=2,
    num_pilot_seeds=10,
    # Nothing but the final epoch is read, and evaluating each would cost 40 % of the time.
    settings=(('train.evaluate_every', 25),),
)

# Shows in minutes that everything works, and nothing else.
QUICK = Design(
    networks=(
        AUXNET2._replace(num_seeds=3, train_pairs=(500,), heads=(('argmax', 0.0),)),
        DEEP_MODEL._replace(num_seeds=3),
    ),
    aux_weights=(0.0, 0.5, 2.0),
    named_weight=2.0,
    learning_rates=(2e-3, 5e-3),
    first_pilot_seed=1000,
    num_first_looks=1,
    num_finalists=2,
    num_pilot_seeds=3,
    settings=(('train.num_epochs', 5),),
)


def get_config(part='AuxNet2-pilot'):
    """The config of one part, such as AuxNet2-pilot, AuxNet2 or AuxNet2-train_pairs:DIR."""
    return part_config(DESIGN, *part.split(':', 1))
