"""features.runtime: the start of TensorFlow, seeds and threads."""

from __future__ import annotations

import subprocess
import sys

from checkout import ROOT

from features.runtime import core_count


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )


def test_tensorflow_starts_quietly_without_keras_and_keras_still_works() -> None:
    """The start imports no Keras; imported afterwards, Keras trains on this TensorFlow."""
    done = python(
        "import os, sys\n"
        "from features.runtime import load_tensorflow\n"
        "tf = load_tensorflow()\n"
        "print('keras' in sys.modules, 'TF_USE_LEGACY_KERAS' in os.environ)\n"
        "import keras, numpy as np\n"
        "model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])\n"
        "model.compile(loss='mse')\n"
        "model.fit(np.zeros((4, 3)), np.zeros((4, 1)), verbose=0)\n"
        "print(keras.backend.backend(), load_tensorflow() is tf)"
    )
    assert done.stdout.split() == ["False", "False", "tensorflow", "True"]
    assert done.stderr == ""


def test_what_is_no_chatter_comes_through() -> None:
    """Errors and Python's own standard error are not held back by the filter."""
    done = python(
        "import os, sys\n"
        "from features import runtime\n"
        "with runtime._without_chatter():\n"
        "    os.write(2, b'I0000 00:00 chatter\\nE0000 a real error\\n')\n"
        "    print('progress', file=sys.stderr)\n"
        "os.write(2, b'after\\n')"
    )
    assert done.stderr.splitlines() == ["progress", "E0000 a real error", "after"]


def test_seeds_repeat_what_keras_draws() -> None:
    """The same seed gives the same initial weights, another seed others."""
    done = python(
        "from features.runtime import seed_everything\n"
        "import keras\n"
        "def draw(seed):\n"
        "    seed_everything(seed)\n"
        "    return float(keras.random.normal((1,))[0])\n"
        "print(draw(1) == draw(1), draw(1) == draw(2))"
    )
    assert done.stdout.split() == ["True", "False"]


def test_cores_are_counted() -> None:
    """At least one core is there to use."""
    assert core_count() >= 1
